import Foundation
import Testing

@testable import NodeImage

@Suite struct KubeletDiskTests {
    @Test func buildsOnceAndThenNeedsNoNetwork() async throws {
        let fixture = try StoreFixture()
        let disk = try await fixture.store().ensureKubeletDisk()
        #expect(disk.version == "1.20.2")
        #expect(disk.packages == ["containerd 1", "runc 1", "libseccomp2 1"])
        fixture.archive.state.withLock { $0.mode = .offline }
        #expect(try await fixture.store().ensureKubeletDisk() == disk)
        #expect(fixture.archive.asked == 1)
        #expect(try fixture.store().kubeletDisks() == [disk])
        #expect(try ImageCache.names(in: fixture.cachePath + "/tmp") == [])
        #expect(disk.bytes % 4096 == 0, "it could not be attached as a raw disk")

        let listing = try await BuildTool.run("unsquashfs", ["-llnumeric", disk.path]).split(separator: "\n")
        for program in ["usr/bin/kubelet", "usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/sbin/runc"] {
            #expect(listing.contains { $0.hasSuffix("squashfs-root/\(program)") }, "\(program)")
        }
        #expect(listing.contains { $0.hasPrefix("-rwxr-xr-x 0/0") && $0.hasSuffix("/usr/bin/kubelet") })
        #expect(!listing.contains { $0.hasSuffix("/usr/bin/ctr") || $0.contains("copyright") })
        // What the script in the compiler's place wrote: a patched file.
        let text = try await BuildTool.run("unsquashfs", ["-cat", disk.path, "usr/bin/kubelet"])
        #expect(text == "after\n")
    }

    @Test func equalInputsGiveTheSameDiskWhereverItIsBuilt() async throws {
        let fixture = try StoreFixture()
        let one = try await fixture.store().ensureKubeletDisk()
        let two = try await fixture.store(cache: fixture.directory.path + "/other").ensureKubeletDisk()
        #expect(one.digest == two.digest && one.path != two.path)
        #expect(FileManager.default.contentsEqual(atPath: one.path, andPath: two.path))
    }

    @Test func itIsBuiltBesideAControlPlaneFromTheSameTarballs() async throws {
        let fixture = try StoreFixture()
        let programs = try await fixture.store().ensureControlPlane()
        let disk = try await fixture.store().ensureKubeletDisk()
        #expect(fixture.store().cachedControlPlane() == programs)
        #expect(fixture.store().cachedKubeletDisk() == disk)
        #expect(fixture.files().filter { $0.hasSuffix(".source") }.count == 2)
    }

    @Test func itUsesWhatWasCompiledForTheControlPlane() async throws {
        let fixture = try StoreFixture()
        var store = fixture.store()
        store.keepsCompiledPackages = true
        _ = try await store.ensureControlPlane()
        #expect(try ImageCache.names(in: fixture.cachePath + "/tmp") == ["compiled"])
        fixture.archive.state.withLock { $0.compiler = .usingCompiled }
        _ = try await store.ensureKubeletDisk()
        #expect(try ImageCache.names(in: fixture.cachePath + "/tmp") == [])
    }

    @Test(arguments: [
        (FakeCompiler.fullDisk, ImageError.Code.diskFull, "labrun image prune"),
        (.failing, .toolFailed, "does not compile"), (.otherReport, .packagesUnusable, "usr/sbin/runc"),
    ])
    func aFailedBuildSaysWhyAndLeavesNothingHalf(
        compiler: FakeCompiler, code: ImageError.Code, mentions: String
    ) async throws {
        let fixture = try StoreFixture()
        fixture.archive.state.withLock { $0.compiler = compiler }
        await #expect { try await fixture.store().ensureKubeletDisk() } throws: { error in
            (error as? ImageError)?.code == code && "\(error)".contains(mentions)
        }
        #expect(fixture.files().allSatisfy { $0.hasPrefix("debs/") || $0.hasPrefix("resolved/") })
        #expect(fixture.store().cachedKubeletDisk() == nil)
    }

    @Test func pruneKeepsTheCurrentDiskOnly() async throws {
        let fixture = try StoreFixture()
        let store = fixture.store()
        let old = try await store.ensureKubeletDisk()
        let standard = KubeletDiskRecipe.standard
        let other = KubeletDiskRecipe(
            build: standard.build, packages: standard.packages, removed: standard.removed + ["usr/lib/other"])
        let new = try await store.ensureKubeletDisk(other)
        #expect(old.digest != new.digest)
        #expect(try await store.prune(keeping: []).kubeletDisks == [old.digest])
        #expect(store.cachedKubeletDisk(other) == new)
        #expect(!fixture.files().contains { $0.hasPrefix("debs/") })
        #expect(try await store.prune(keeping: [], everything: true).kubeletDisks == [new.digest])
        #expect(fixture.files() == [])
    }
}
