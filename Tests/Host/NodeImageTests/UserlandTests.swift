import Digest
import Foundation
import Testing

@testable import NodeImage

@Suite struct UserlandTests {
    @Test func aSimulatedInstallationNamesPackagesAndVersions() {
        let output = """
            NOTE: This is only a simulation!
            Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) []
            Inst busybox (1:1.35.0-4+deb12u1+b1 Debian:12.15/oldstable [amd64])
            Inst upgraded [1.0] (1.1 Debian:12.15/oldstable [amd64])
            Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])
            Inst
            """
        let planned = DebianArchive.planned(output)
        #expect(planned.map(\.name) == ["libc6", "busybox", "upgraded"])
        #expect(planned.map(\.version) == ["2.36-9+deb12u14", "1:1.35.0-4+deb12u1+b1", "1.1"])
    }

    @Test func everyStanzaOfAnIndexIsRead() {
        let text = "\nPackage: a\nVersion: 1\n\n\nPackage: b\nDescription: x\n .\n y\n"
        let stanzas = PackageStanza.all(in: text)
        #expect(stanzas.map { $0.fields["Package"] } == ["a", "b"])
        #expect(stanzas[1].fields["Description"] == "x\n.\ny")
        #expect(PackageStanza.all(in: "\n \n").isEmpty)
    }

    @Test func whatMaintainerScriptsNeedIsLeftOut() {
        let recipe = UserlandRecipe.standard
        for name in ["perl-base", "libperl5.36", "adduser", "dpkg"] { #expect(recipe.leavesOut(name), "\(name)") }
        for name in recipe.packages + ["libc6", "libssl3", "libgcc-s1", "libcap2", "libpcap0.8"] {
            #expect(!recipe.leavesOut(name), "\(name)")
        }
    }

    @Test func equalInputsGiveTheSameDiskWhereverItIsBuilt() async throws {
        let fixture = try StoreFixture()
        let one = try await fixture.store().ensureUserland(.small)
        let two = try await fixture.store(cache: fixture.directory.path + "/other").ensureUserland(.small)
        #expect(one.digest == two.digest)
        #expect(one.path != two.path)
        let bytes = try #require(FileManager.default.contents(atPath: one.path))
        #expect(FileManager.default.contents(atPath: two.path) == bytes)
        #expect(bytes.count % 4096 == 0)
        #expect(bytes.prefix(4) == Data("hsqs".utf8))
        // It comes from the cache, so nobody is asked.
        let asked = fixture.archive.asked
        #expect(try await fixture.store().ensureUserland(.small) == one)
        #expect(fixture.archive.asked == asked)

        let listing = try await BuildTool.run("unsquashfs", ["-llnumeric", one.path])
        #expect(listing.contains("squashfs-root/usr/bin/sh -> /bin/busybox"))
        #expect(listing.contains("drwxrwxrwt"))
        #expect(!listing.contains("usr/share/doc"))
        #expect(!listing.split(separator: "\n").contains { $0.contains("1000/") })
    }

    @Test func pruneKeepsTheCurrentDiskOnly() async throws {
        let fixture = try StoreFixture()
        let store = fixture.store()
        let old = try await store.ensureUserland(.small)
        var changed = UserlandRecipe.small
        changed = UserlandRecipe(
            suite: changed.suite, packages: changed.packages, leftOut: [], removed: [], applets: ["ls"], links: [:])
        let new = try await store.ensureUserland(changed)
        #expect(try Set(store.userlands().map(\.digest)) == [old.digest, new.digest])
        let result = try await store.prune(keeping: [])
        #expect(result.userlands == [old.digest])
        #expect(try store.userlands() == [new])
        #expect(try await store.prune(keeping: [], everything: true).userlands == [new.digest])
        #expect(store.cachedUserland(changed) == nil)
    }

    @Test func aPackageWithoutItsProgramIsRefused() async throws {
        let fixture = try StoreFixture()
        let recipe = UserlandRecipe(
            suite: "bookworm", packages: ["busybox"], leftOut: [], removed: [], applets: [],
            links: ["usr/sbin/iptables": "iptables-nft"])
        await #expect { try await fixture.store().ensureUserland(recipe) } throws: {
            ($0 as? ImageError)?.code == .packagesUnusable
        }
        #expect(try fixture.store().userlands().isEmpty)
    }
}

@Suite struct DemandIndexTests {
    private let dependencies = ModuleDependencies(
        dep: """
            kernel/net/nft_masq.ko.xz: kernel/net/nf_nat.ko.xz kernel/net/nf_tables.ko.xz kernel/net/libcrc32c.ko.xz
            kernel/net/nf_nat.ko.xz: kernel/net/libcrc32c.ko.xz
            kernel/net/nf_tables.ko.xz: kernel/net/libcrc32c.ko.xz
            kernel/net/libcrc32c.ko.xz:
            kernel/fs/squashfs.ko.xz:
            """, builtin: "")

    @Test func needsComeFirstAndAliasesOfOthersAreLeftOut() throws {
        let order = try dependencies.loadOrder(of: ["nft_masq", "squashfs"])
        let index = dependencies.demandIndex(
            of: order,
            aliases: """
                # Aliases extracted from modules themselves.
                alias nft-expr-masq nft_masq
                alias fs-squashfs squashfs
                alias pci:v00001AF4d* nft_masq
                alias fs-other other
                broken
                """)
        let lines = index.split(separator: "\n")
        #expect(
            lines.contains(
                "module nft_masq kernel/net/nft_masq.ko kernel/net/libcrc32c.ko kernel/net/nf_nat.ko "
                    + "kernel/net/nf_tables.ko"
            ))
        #expect(
            lines.filter { $0.hasPrefix("alias") } == ["alias nft-expr-masq nft_masq", "alias fs-squashfs squashfs"])
    }
}

extension UserlandRecipe {
    static let small = UserlandRecipe(
        suite: "bookworm", packages: ["busybox"], leftOut: ["perl"], removed: ["usr/share/doc"], applets: ["sh", "ls"],
        links: [:])
}
