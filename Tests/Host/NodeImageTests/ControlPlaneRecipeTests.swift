import Foundation
import Hashing
import Synchronization
import Testing

@testable import NodeImage

@Suite struct ControlPlaneRecipeTests {
    private static let sums = ["1a", "2b", "3c"].map { String(repeating: $0, count: 32) }
    private static let entry = """
        Package: kubernetes
        Binary: kubernetes-client
        Version: 1.20.5+really1.20.2-1.1+deb12u1
        Format: 3.0 (quilt)
        Files:
         0ff16343f03275e286ea9b19c140b158 1973 kubernetes_1.dsc
        Checksums-Sha256:
         \(sums[0]) 1973 kubernetes_1.20.5+really1.20.2-1.1+deb12u1.dsc
         \(sums[1]) 34428927 kubernetes_1.20.5+really1.20.2.orig.tar.gz
         \(sums[2].uppercased()) 21300 kubernetes_1.20.5+really1.20.2-1.1+deb12u1.debian.tar.xz
        Directory: pool/main/k/kubernetes
        """

    @Test func anEntryOfTheIndexOfSources() throws {
        let source = try PackageStanza(Self.entry).source()
        #expect(source.name == "kubernetes")
        #expect(source.version == "1.20.5+really1.20.2-1.1+deb12u1")
        #expect(source.files.map(\.bytes) == [21300, 34_428_927])
        #expect(source.upstream?.sha256 == Self.sums[1])
        #expect(source.additions?.sha256 == Self.sums[2])
    }

    @Test(arguments: [
        ("34428927", "x"), ("Checksums-Sha256", "Checksums-Sha1"), ("34428927 ", ""),
        ("kubernetes_1.20.5+really1.20.2.orig.tar.gz", "../../orig.tar.gz"), ("Version:", "Release:"),
        ("34428927", "-1"), ("kubernetes_1.20.5+really1.20.2.orig", ".orig"),
    ])
    func anIncompleteEntryIsRefused(text: String, replacement: String) {
        let stanza = PackageStanza(Self.entry.replacingOccurrences(of: text, with: replacement))
        #expect { try stanza.source() } throws: { ($0 as? ImageError)?.code == .packagesUnusable }
    }

    /// Changed entries are refused or read as something else; what is read has names that lie in one folder.
    @Test func changedEntriesNeverTrap() {
        var random = SplitMix64(seed: 11)
        let letters = Array("\n :/.0aZ-\t\u{e4}".utf8)
        var accepted = 0
        for _ in 0..<10_000 {
            var bytes = Array(Self.entry.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = letters[Int.random(in: 0..<letters.count, using: &random)]
                case 1: bytes.remove(at: place)
                default: bytes.insert(letters[Int.random(in: 0..<letters.count, using: &random)], at: place)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let source = try? PackageStanza(text).source() else { continue }
            accepted += 1
            #expect(source.files.allSatisfy { !$0.name.contains("/") && $0.bytes >= 0 && $0.sha256.count == 64 })
            _ = try? DebianArchive.source(.standard, in: text)
        }
        #expect(accepted > 1000)
    }

    @Test(arguments: [
        ("1.20.5+really1.20.2-1.1+deb12u1", true), ("1.20.2-1", true), ("1.20.5-1", false),
        ("1.32.3+ds-2", false), ("1.20.2+really1.20.5-1", false), ("", false),
    ])
    func theSourceOfTheRecipesVersionIsTaken(version: String, taken: Bool) {
        let text = Self.entry.replacingOccurrences(
            of: "Version: 1.20.5+really1.20.2-1.1+deb12u1", with: "Version: \(version)")
        let other = Self.entry.replacingOccurrences(of: "Package: kubernetes", with: "Package: kubernetes-other")
        do throws(ImageError) {
            #expect(try DebianArchive.source(.standard, in: other + "\n\n" + text).version == version)
            #expect(taken)
        } catch {
            #expect(!taken)
            #expect(error.code == .packagesUnusable)
            #expect(error.description.contains("--control-plane-bin"))
        }
    }

    /// Every input has a part in the name of the folder.
    @Test func theDigestChangesWithEveryInput() {
        func digest(
            version: String = "1.20.2", commit: String = "c", date: String = "d", tags: [String] = ["t"],
            leftOut: [String] = ["docs"], package: String = "1", hash: String = "h", source: String = "s",
            tarball: String = "x"
        ) -> String {
            ResolvedControlPlane(
                recipe: ControlPlaneRecipe(
                    suite: "bookworm", sourcePackage: "kubernetes", version: version, commit: commit, date: date,
                    packages: ["p"], tags: tags, leftOut: leftOut),
                source: DebianSource(
                    name: "kubernetes", version: source,
                    files: [DebianSourceFile(name: "k.orig.tar.gz", sha256: tarball, bytes: 1)]),
                packages: [DebianPackage(name: "p", version: package, sha256: hash, bytes: 1)]
            ).digest
        }
        let all = [
            digest(), digest(version: "1.20.3"), digest(commit: "e"), digest(date: "e"), digest(tags: []),
            digest(leftOut: []), digest(package: "2"), digest(hash: "i"), digest(source: "r"), digest(tarball: "y"),
        ]
        #expect(Set(all).count == all.count)
        #expect(digest() == digest())
        #expect(all.allSatisfy { $0.count == 64 })
    }

    @Test func theServersTellTheirVersion() {
        let flags = ControlPlaneRecipe.standard.linkerFlags
        #expect(flags.hasPrefix("-s -w -X "))
        for place in ["component-base/version", "client-go/pkg/version"] {
            for value in ["gitVersion=v1.20.2", "gitMajor=1", "gitMinor=20", "gitTreeState=clean"] {
                #expect(flags.contains("-X k8s.io/kubernetes/vendor/k8s.io/\(place).\(value)"))
            }
        }
    }

    @Test func patchesOfASeries() {
        let text = "# comment\none.patch\n\n two.patch -p1\nthree.patch # why\n../four.patch\n/five\nsub/six.patch\n"
        #expect(KubernetesSources.series(text) == ["one.patch", "two.patch", "three.patch", "sub/six.patch"])
        #expect(KubernetesSources.series("") == [])
    }

    @Test func foldersOfMarkedFiles() {
        let files = """
            staging/src/k8s.io/api/core/v1/doc.go
            staging/src/k8s.io/api/core/v1/types.go
            pkg/apis/one/types.go
            cmd/two/types.go

            """
        #expect(
            ControlPlaneBuilder.importPaths(files) == [
                "k8s.io/kubernetes/cmd/two", "k8s.io/kubernetes/pkg/apis/one",
                "k8s.io/kubernetes/vendor/k8s.io/api/core/v1",
            ])
    }
}

@Suite struct ControlPlaneProgressTests {
    private final class Clock: Sendable {
        let now = Mutex(Duration.zero)
        let told = Mutex<[ControlPlaneProgress.State]>([])

        func progress() -> ControlPlaneProgress {
            ControlPlaneProgress(
                elapsed: { self.now.withLock { $0 } }, tell: { state in self.told.withLock { $0.append(state) } })
        }
        func pass(_ seconds: Int) { now.withLock { $0 += .seconds(seconds) } }
    }

    @Test func theTimeLeftFollowsTheMachinesPace() throws {
        let clock = Clock()
        let progress = clock.progress()
        let all = ControlPlaneStep.allCases.reduce(0) { $0 + $1.weight }
        progress.begin(.unpack)
        // Twice as long as its weight says.
        clock.pass(Int(ControlPlaneStep.unpack.weight) * 2)
        progress.end(.unpack)
        progress.begin(.generator)
        let told = clock.told.withLock { $0 }
        try #require(told.count == 2)
        #expect(told[0] == .init(step: .unpack, done: 0, secondsLeft: Int(all)))
        #expect(told[1].secondsLeft == Int((all - ControlPlaneStep.unpack.weight) * 2))
    }

    @Test func packagesAreToldEveryTenSecondsAndDoneOnlyGrows() {
        let clock = Clock()
        let progress = clock.progress()
        progress.begin(.servers)
        for _ in 0..<3000 {
            progress.compiled(.servers)
            clock.pass(1)
        }
        let told = clock.told.withLock { $0 }
        #expect(told.count == 300)
        #expect(zip(told, told.dropFirst()).allSatisfy { $0.done <= $1.done })
        #expect(told.allSatisfy { $0.done < 1 && $0.secondsLeft > 0 })
    }

    @Test(arguments: [(5, "5 s"), (59, "59 s"), (60, "1 min 0 s"), (185, "3 min 5 s")])
    func theLineTellsStepAndTimeLeft(seconds: Int, text: String) {
        let step = ImageProgress.buildingControlPlane(.servers, done: 0.416, secondsLeft: seconds)
        #expect(step.description == "compiling the servers: 41 %, about \(text) left")
    }
}
