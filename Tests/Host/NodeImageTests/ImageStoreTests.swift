import Foundation
import Testing

@testable import NodeImage

@Suite struct ImageStoreTests {
    @Test func buildsOnceAndThenNeedsNoNetwork() async throws {
        let fixture = try StoreFixture()
        let first = try await fixture.store().ensure(kernel: "6.1")
        #expect(first.kernelRelease == "6.1.0-1-cloud-amd64")
        #expect(first.packageVersion == "6.1.9-1")
        #expect(FileManager.default.contents(atPath: first.kernelPath) == Data("kernel 6.1.0-1-cloud-amd64".utf8))
        fixture.archive.state.withLock { $0.mode = .offline }
        #expect(try await fixture.store().ensure(kernel: "6.1") == first)
        #expect(fixture.archive.asked == 1)

        // A new labnode gives a new image, with the kernel that is in the cache.
        try fixture.writeGuest(labnode: "labnode 2")
        let second = try await fixture.store().ensure(kernel: "6.1")
        #expect(second.digest != first.digest)
        #expect(fixture.archive.asked == 1)
        #expect(try fixture.store().list().count == 2)
        #expect(fixture.store().current() == [second.digest])
    }

    @Test func onlyAnImageWithChecksHasThem() async throws {
        let fixture = try StoreFixture()
        let plain = try await fixture.store().ensure()
        let checking = try await fixture.store().ensure(ImageRecipe(series: .standard, hasChecks: true))
        #expect(plain.digest != checking.digest)
        func names(_ image: NodeImageArtifact) async throws -> [String] {
            let list = fixture.directory.path + "/names"
            try await BuildTool.run("sh", ["-c", "cpio -it --quiet < \"$0\" > \"$1\"", image.initrdPath, list])
            return try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n").map(String.init)
        }
        #expect(try await names(checking).contains("usr/bin/labverify"))
        #expect(try await !names(plain).contains("usr/bin/labverify"))
        #expect(fixture.store().current() == [plain.digest, checking.digest])

        // Labs need no checks. An image with checks reports what is missing.
        try FileManager.default.removeItem(atPath: fixture.guest + "/labverify")
        #expect(try await fixture.store().ensure() == plain)
        await #expect {
            try await fixture.store().ensure(ImageRecipe(series: .standard, hasChecks: true))
        } throws: {
            ($0 as? ImageError)?.code == .guestBinaryMissing && "\($0)".contains("labverify")
        }
    }

    @Test func sameInputsGiveTheSameBytesInAnotherCache() async throws {
        let fixture = try StoreFixture()
        let one = try await fixture.store().ensure(kernel: "6.12")
        let two = try await fixture.store(cache: fixture.directory.path + "/other").ensure(kernel: "6.12")
        #expect(one.digest == two.digest)
        #expect(one.initrdPath != two.initrdPath)
        let bytes = try #require(FileManager.default.contents(atPath: one.initrdPath))
        #expect(FileManager.default.contents(atPath: two.initrdPath) == bytes)
        #expect(bytes.count > 1000)
    }

    @Test func contentIsAsNodesExpectIt() async throws {
        let fixture = try StoreFixture()
        let artifact = try await fixture.store().ensure()
        let root = fixture.directory.path + "/root"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        // Device nodes need root. The archive comes from standard input, because GNU cpio 2.13 with -F loses its place
        // when it skips an entry.
        let unpack = "cpio -idm --quiet --no-absolute-filenames -f 'dev/*' < \"$0\""
        try await BuildTool.run("sh", ["-c", unpack, artifact.initrdPath], in: root)
        func text(_ path: String) -> String? {
            FileManager.default.contents(atPath: "\(root)/\(path)").map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(text("init") == "labnode 1")
        #expect(text("usr/bin/datapathd") == "datapathd")
        let plugin = try FileManager.default.destinationOfSymbolicLink(atPath: root + "/opt/cni/bin/labrun-cni")
        #expect(plugin == "/usr/bin/datapathd")
        #expect(text("etc/labrun/image") == artifact.digest + "\n")
        let modules = try #require(text("etc/labrun/modules")).split(separator: "\n").map(String.init)
        let names = modules.map { ModuleDependencies.name(of: $0) }
        #expect(
            names == [
                "virtio_console", "virtio_net", "veth", "udp_tunnel", "vxlan", "geneve", "sch_ingress", "cls_bpf",
                "sch_netem", "sch_fq", "nf_tables", "nf_conntrack", "nft_chain_nat", "nft_masq",
            ])
        for module in modules { #expect(text(module)?.isEmpty == false) }
        for directory in ["dev", "proc", "sys", "tmp", "run/labrun", "etc/cni/net.d"] {
            var isDirectory: ObjCBool = false
            #expect(FileManager.default.fileExists(atPath: "\(root)/\(directory)", isDirectory: &isDirectory))
        }
    }

    @Test func refreshTakesANewerKernelAndOnlyThen() async throws {
        let fixture = try StoreFixture()
        let old = try await fixture.store().ensure()
        fixture.archive.state.withLock { $0.revision = 2 }
        #expect(try await fixture.store().ensure() == old)
        let new = try await fixture.store().ensure(refresh: true)
        #expect(new.kernelRelease == "6.1.0-2-cloud-amd64")
        #expect(try await fixture.store().ensure() == new)
    }

    @Test func refreshWithoutNetworkLeavesTheCacheUsable() async throws {
        let fixture = try StoreFixture()
        let old = try await fixture.store().ensure()
        fixture.archive.state.withLock { $0.mode = .offline }
        await #expect { try await fixture.store().ensure(refresh: true) } throws: {
            ($0 as? ImageError)?.code == .downloadFailed
        }
        #expect(try await fixture.store().ensure() == old)
    }

    @Test func corruptDownloadLeavesNothing() async throws {
        let fixture = try StoreFixture()
        fixture.archive.state.withLock { $0.mode = .corrupt }
        await #expect { try await fixture.store().ensure() } throws: { ($0 as? ImageError)?.code == .corruptDownload }
        #expect(fixture.files() == [])
        fixture.archive.state.withLock { $0.mode = .working }
        _ = try await fixture.store().ensure()
    }

    @Test func rottenCachedPackageIsFoundAndFetchedAgain() async throws {
        let fixture = try StoreFixture()
        let first = try await fixture.store().ensure()
        let store = fixture.store()
        let deb = try #require(fixture.files().first { $0.hasSuffix(".deb") })
        var bytes = try #require(FileManager.default.contents(atPath: "\(fixture.cachePath)/\(deb)"))
        bytes[100] ^= 0xff
        try bytes.write(to: URL(filePath: "\(fixture.cachePath)/\(deb)"))
        for directory in [store.cache.kernels, store.cache.images] {
            try FileManager.default.removeItem(atPath: directory)
        }
        await #expect { try await store.ensure() } throws: { ($0 as? ImageError)?.code == .corruptDownload }
        #expect(try await store.ensure() == first)
    }

    @Test func fullDiskAtAnyByteIsToldAndLeavesNoHalfImage() async throws {
        let fixture = try StoreFixture()
        let whole = try await fixture.store(cache: fixture.directory.path + "/whole").ensure()
        let needed = whole.bytes * 2 + 4000
        for size in stride(from: 0, to: needed, by: max(1, needed / 24)) {
            let disk = SmallDisk(bytes: size)
            do {
                let artifact = try await fixture.store(disk: disk).ensure()
                #expect(artifact.digest == whole.digest)
            } catch let error as ImageError {
                #expect(error.code == .diskFull)
                #expect(error.description.contains("labrun image prune"))
                #expect(!fixture.files().contains { $0.hasPrefix("images/") || $0.hasPrefix("tmp/") })
            }
            // Whatever step failed, the next run with enough space succeeds.
            #expect(try await fixture.store().ensure().digest == whole.digest)
            try FileManager.default.removeItem(atPath: fixture.cachePath)
        }
    }

    @Test func damagedImageIsBuiltAgain() async throws {
        let fixture = try StoreFixture()
        let artifact = try await fixture.store().ensure()
        let whole = FileManager.default.contents(atPath: artifact.initrdPath)
        #expect(truncate(artifact.initrdPath, 100) == 0)
        #expect(try fixture.store().list() == [])
        #expect(try await fixture.store().ensure() == artifact)
        #expect(FileManager.default.contents(atPath: artifact.initrdPath) == whole)
    }

    @Test func concurrentBuildsMakeOneImage() async throws {
        let fixture = try StoreFixture()
        let digests = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<6 { group.addTask { try await fixture.store().ensure().digest } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(digests.count == 1)
        #expect(fixture.archive.asked == 1)
    }

    @Test func leftoversOfAKilledBuildGo() async throws {
        let fixture = try StoreFixture()
        let stale = fixture.cachePath + "/tmp/4711-1/half"
        try FileManager.default.createDirectory(atPath: stale, withIntermediateDirectories: true)
        _ = try await fixture.store().ensure()
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.cachePath + "/tmp") == [])
    }

    @Test func pruneKeepsWhatIsCurrent() async throws {
        let fixture = try StoreFixture()
        let old = try await fixture.store().ensure()
        try fixture.writeGuest(labnode: "labnode 2")
        let new = try await fixture.store().ensure()
        let store = fixture.store()
        let result = try await store.prune(keeping: store.current())
        #expect(result.images == [old.digest])
        #expect(result.bytes > 0)
        #expect(try store.list() == [new])
        fixture.archive.state.withLock { $0.mode = .offline }
        #expect(try await store.ensure() == new)

        let all = try await store.prune(keeping: [], everything: true)
        #expect(all.images == [new.digest])
        #expect(fixture.files() == [])
    }

    @Test func missingGuestBinariesAreNamedWithTheCommand() async throws {
        let fixture = try StoreFixture()
        try FileManager.default.removeItem(atPath: fixture.guest + "/datapathd")
        await #expect { try await fixture.store().ensure() } throws: { error in
            (error as? ImageError)?.code == .guestBinaryMissing && "\(error)".contains("make build")
        }
    }

    @Test func unusableCacheDirectoryIsAnErrorOfItsOwn() async throws {
        let fixture = try StoreFixture()
        try Data().write(to: URL(filePath: fixture.cachePath))
        await #expect { try await fixture.store().ensure() } throws: { ($0 as? ImageError)?.code == .cacheUnusable }
    }

    @Test func modulesThatTheKernelLacksFailTheBuild() async throws {
        let fixture = try StoreFixture()
        let recipe = ImageRecipe(series: .bookworm, modules: ["veth", "no_such_module"])
        await #expect { try await fixture.store().ensure(recipe) } throws: { error in
            (error as? ImageError)?.code == .kernelPackageUnusable && "\(error)".contains("no_such_module")
        }
    }

    @Test(arguments: [
        (["XDG_CACHE_HOME": "/c", "HOME": "/h"], "/c/labrun"), (["HOME": "/h"], "/h/.cache/labrun"),
        (["XDG_CACHE_HOME": "relative", "HOME": "/h"], "/h/.cache/labrun"),
    ])
    func cacheDirectoryFollowsXDG(environment: [String: String], expected: String) {
        #expect(ImageStore.standardCacheDirectory(environment) == expected)
    }

    @Test func guestBinariesAreLookedForNextToTheExecutable() {
        let path = "/opt/labrun/bin/labrun"
        #expect(
            GuestBinaries.searchPath(environment: [:], executable: path) == [
                "/opt/labrun/bin/guest", "/opt/labrun/libexec/labrun",
            ])
        #expect(GuestBinaries.searchPath(environment: ["LABRUN_GUEST_DIR": "/g"], executable: path) == ["/g"])
    }
}
