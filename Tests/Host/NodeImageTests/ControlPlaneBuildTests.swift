import Digest
import Foundation
import Testing

@testable import NodeImage

@Suite struct ControlPlaneBuildTests {
    @Test func buildsOnceAndThenNeedsNoNetwork() async throws {
        let fixture = try StoreFixture()
        let steps = StepLog()
        let programs = try await fixture.store().ensureControlPlane { steps.append($0) }
        #expect(programs.version == "1.20.2")
        #expect(try await fixture.store().controlPlane() == programs.directory)
        fixture.archive.state.withLock { $0.mode = .offline }
        #expect(try await fixture.store().ensureControlPlane() == programs)
        #expect(fixture.archive.asked == 1)
        #expect(try fixture.store().controlPlanes() == [programs])
        #expect(try ImageCache.names(in: fixture.cachePath + "/tmp") == [])

        func text(_ name: String) -> String? {
            FileManager.default.contents(atPath: "\(programs.directory)/\(name)")
                .map { String(decoding: $0, as: UTF8.self) }
        }
        for server in ControlPlaneRecipe.servers {
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(programs.directory)/\(server)")
            #expect(link == "kube-servers")
            #expect(FileManager.default.isExecutableFile(atPath: "\(programs.directory)/\(server)"))
        }
        #expect(text("etcd") == "etcd")
        #expect(text("kubectl") == "kubectl")
        // What the script in the compiler's place wrote: the main package, a patched file, the generator's input.
        let inputs =
            "k8s.io/kubernetes/cmd/two,k8s.io/kubernetes/pkg/apis/one,k8s.io/kubernetes/vendor/k8s.io/api/v1\n"
        #expect(text("kube-servers") == ControlPlaneRecipe.main + "after\n" + inputs)

        let told = steps.all
        #expect(told.contains(.resolvingControlPlane(suite: "bookworm")))
        #expect(told.last == .controlPlaneReady(digest: programs.digest))
        let seen = told.compactMap { step -> ControlPlaneStep? in
            if case .buildingControlPlane(let step, _, _) = step { step } else { nil }
        }
        #expect(Set(seen) == Set(ControlPlaneStep.allCases))
    }

    @Test func equalInputsGiveTheSameProgramsWhereverTheyAreBuilt() async throws {
        let fixture = try StoreFixture()
        let one = try await fixture.store().ensureControlPlane()
        let two = try await fixture.store(cache: fixture.directory.path + "/other").ensureControlPlane()
        #expect(one.digest == two.digest)
        #expect(one.directory != two.directory)
        #expect(ControlPlaneManifest.load(one.directory) == ControlPlaneManifest.load(two.directory))
    }

    @Test func concurrentBuildsMakeOneFolder() async throws {
        let fixture = try StoreFixture()
        let digests = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<4 { group.addTask { try await fixture.store().ensureControlPlane().digest } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(digests.count == 1)
        #expect(fixture.archive.asked == 1)
    }

    @Test(.timeLimit(.minutes(2)))
    func aCancelledBuildEndsItsProcessesAndLeavesNothingHalf() async throws {
        let fixture = try StoreFixture()
        let pipe = fixture.directory.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        fixture.archive.state.withLock { $0.compiler = .hanging(pipe: pipe) }
        let build = Task { try await fixture.store().ensureControlPlane() }
        // The pipe is read on a thread of its own: it gives a line when the compiler runs, and ends with its processes.
        let lines = AsyncStream<String> { continuation in
            Thread.detachNewThread {
                guard let file = FileHandle(forReadingAtPath: pipe) else { return continuation.finish() }
                while case let data = file.availableData, !data.isEmpty {
                    continuation.yield(String(decoding: data, as: UTF8.self))
                }
                continuation.finish()
            }
        }
        for await line in lines {
            #expect(line == "started\n")
            build.cancel()
        }
        await #expect(throws: CancellationError.self) { try await build.value }
        #expect(fixture.files().allSatisfy { $0.hasPrefix("debs/") || $0.hasPrefix("resolved/") })
        #expect(fixture.store().cachedControlPlane() == nil)

        // The next one builds, from what was downloaded, once the compiler does its work.
        fixture.archive.state.withLock { $0.compiler = .working }
        let programs = try await fixture.store().ensureControlPlane(refresh: true)
        #expect(try fixture.store().controlPlanes() == [programs])
    }

    @Test func leftoversOfAKilledBuildGo() async throws {
        let fixture = try StoreFixture()
        let stale = fixture.cachePath + "/tmp/4711-1/gopath/src"
        try FileManager.default.createDirectory(atPath: stale, withIntermediateDirectories: true)
        let half = fixture.cachePath + "/control-planes/\(String(repeating: "0", count: 64))"
        try FileManager.default.createDirectory(atPath: half, withIntermediateDirectories: true)
        let programs = try await fixture.store().ensureControlPlane()
        #expect(try ImageCache.names(in: fixture.cachePath + "/tmp") == [])
        #expect(try fixture.store().controlPlanes() == [programs])
    }

    @Test(arguments: [
        (FakeCompiler.fullDisk, ImageError.Code.diskFull, "labrun image prune"),
        (.failing, .toolFailed, "does not compile"), (.otherReport, .packagesUnusable, "description"),
    ])
    func aFailedBuildSaysWhyAndLeavesNothingHalf(
        compiler: FakeCompiler, code: ImageError.Code, mentions: String
    ) async throws {
        let fixture = try StoreFixture()
        fixture.archive.state.withLock { $0.compiler = compiler }
        await #expect { try await fixture.store().ensureControlPlane() } throws: { error in
            (error as? ImageError)?.code == code && "\(error)".contains(mentions)
        }
        #expect(fixture.files().allSatisfy { $0.hasPrefix("debs/") || $0.hasPrefix("resolved/") })
        fixture.archive.state.withLock { $0.compiler = .working }
        _ = try await fixture.store().ensureControlPlane(refresh: true)
    }

    @Test func aFullDiskAtTheStoresOwnFilesIsToldAndLeavesNothingHalf() async throws {
        let fixture = try StoreFixture()
        // The first file that the store itself writes is the manifest, the second the record of the packages.
        var failures = 0
        for size in [0, 100, 2500, 3500, 4500, 1 << 20] {
            let disk = SmallDisk(bytes: size)
            do {
                _ = try await fixture.store(disk: disk).ensureControlPlane()
            } catch let error as ImageError {
                failures += 1
                #expect(error.code == .diskFull)
                #expect(!fixture.files().contains { $0.hasPrefix("tmp/") })
                #expect(fixture.store().cachedControlPlane() == nil)
            }
        }
        #expect((2..<6).contains(failures))
        _ = try await fixture.store().ensureControlPlane()
    }

    @Test func aTarballWithAnotherHashIsRefused() async throws {
        let fixture = try StoreFixture()
        fixture.archive.state.withLock { $0.damagesSources = true }
        await #expect { try await fixture.store().ensureControlPlane() } throws: { error in
            (error as? ImageError)?.code == .corruptDownload && "\(error)".contains("kubernetes_1")
        }
        #expect(fixture.files().allSatisfy { $0.hasSuffix(".deb") })
        fixture.archive.state.withLock { $0.damagesSources = false }
        let programs = try await fixture.store().ensureControlPlane()

        // One that rots in the cache is found before it is compiled, and fetched again.
        let store = fixture.store()
        let tarball = try #require(fixture.files().first { $0.hasSuffix(".source") })
        var bytes = try #require(FileManager.default.contents(atPath: "\(fixture.cachePath)/\(tarball)"))
        bytes[bytes.count / 2] ^= 0xff
        try bytes.write(to: URL(filePath: "\(fixture.cachePath)/\(tarball)"))
        try FileManager.default.removeItem(atPath: programs.directory)
        await #expect { try await store.ensureControlPlane() } throws: {
            ($0 as? ImageError)?.code == .corruptDownload
        }
        #expect(try await store.ensureControlPlane() == programs)
    }

    @Test func aTarballOfAnotherVersionIsRefused() async throws {
        let fixture = try StoreFixture()
        let standard = ControlPlaneRecipe.standard
        let other = ControlPlaneRecipe(
            suite: standard.suite, sourcePackage: standard.sourcePackage, version: "1.21.0", commit: standard.commit,
            date: standard.date, packages: standard.packages, tags: standard.tags, leftOut: standard.leftOut)
        await #expect { try await fixture.store().ensureControlPlane(other) } throws: { error in
            (error as? ImageError)?.code == .packagesUnusable && "\(error)".contains("kubernetes-1.21.0")
        }
    }

    @Test func pruneKeepsTheCurrentProgramsOnly() async throws {
        let fixture = try StoreFixture()
        let store = fixture.store()
        let old = try await store.ensureControlPlane()
        let standard = ControlPlaneRecipe.standard
        let other = ControlPlaneRecipe(
            suite: standard.suite, sourcePackage: standard.sourcePackage, version: standard.version,
            commit: standard.commit, date: standard.date, packages: standard.packages, tags: ["other"],
            leftOut: standard.leftOut)
        let new = try await store.ensureControlPlane(other)
        #expect(try Set(store.controlPlanes().map(\.digest)) == [old.digest, new.digest])
        #expect(fixture.files().contains { $0.hasPrefix("debs/") })

        // What is built needs neither sources nor compiler any more.
        #expect(try await store.prune(keeping: []).controlPlanes == [old.digest])
        #expect(store.cachedControlPlane(other) == new)
        #expect(!fixture.files().contains { $0.hasPrefix("debs/") })
        #expect(try await store.prune(keeping: [], everything: true).controlPlanes == [new.digest])
        #expect(store.cachedControlPlane(other) == nil)
        #expect(fixture.files() == [])
    }

    @Test func aFailedRefreshKeepsTheProgramsAtHand() async throws {
        let fixture = try StoreFixture()
        let old = try await fixture.store().ensureControlPlane()
        fixture.archive.state.withLock { $0.compiler = .failing }
        await #expect(throws: ImageError.self) { try await fixture.store().ensureControlPlane(refresh: true) }
        #expect(try await fixture.store().ensureControlPlane() == old)
    }
}

/// Collects the steps that a build tells, from any thread.
private final class StepLog: @unchecked Sendable {
    private let lock = NSLock()
    private var steps: [ImageProgress] = []

    func append(_ step: ImageProgress) { lock.withLock { steps.append(step) } }
    var all: [ImageProgress] { lock.withLock { steps } }
}
