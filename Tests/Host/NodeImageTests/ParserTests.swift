import Foundation
import Testing

@testable import NodeImage

@Suite struct ParserTests {
    static let dep = """
        kernel/drivers/net/veth.ko:
        kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv6/ip6_udp_tunnel.ko.xz kernel/net/ipv4/udp_tunnel.ko.xz
        kernel/net/ipv6/ip6_udp_tunnel.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz
        kernel/net/ipv4/udp_tunnel.ko.xz:
        kernel/net/sched/sch-fq.ko:
        kernel/a.ko: kernel/b.ko
        kernel/b.ko: kernel/a.ko
        """

    @Test(arguments: [
        (["veth"], ["kernel/drivers/net/veth.ko"]),
        (["sch_fq", "virtio_pci"], ["kernel/net/sched/sch-fq.ko"]),
        (
            ["vxlan", "veth"],
            [
                "kernel/net/ipv4/udp_tunnel.ko.xz", "kernel/net/ipv6/ip6_udp_tunnel.ko.xz",
                "kernel/drivers/net/vxlan/vxlan.ko.xz", "kernel/drivers/net/veth.ko",
            ]
        ),
        (["a"], ["kernel/b.ko", "kernel/a.ko"]), ([], []),
    ])
    func loadOrder(names: [String], expected: [String]) throws {
        let dependencies = ModuleDependencies(dep: Self.dep, builtin: "kernel/drivers/virtio/virtio_pci.ko\n")
        #expect(try dependencies.loadOrder(of: names) == expected)
    }

    @Test func stanza() throws {
        let text = """

            Package: linux-image-6.1.0-50-cloud-amd64
            Version: 6.1.176-1
            Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120) | linux-initramfs-tool, x:any
            Description: Linux
             more of it: a line
            Size: 26484304
            SHA256: \(String(repeating: "Ab", count: 32))

            Package: another
            """
        let stanza = PackageStanza(text)
        #expect(stanza.dependencies == ["kmod", "linux-base", "initramfs-tools", "x"])
        #expect(stanza.fields["Description"] == "Linux\nmore of it: a line")
        let package = try stanza.package()
        #expect(package.name == "linux-image-6.1.0-50-cloud-amd64")
        #expect(package.bytes == 26_484_304)
        #expect(package.sha256 == String(repeating: "ab", count: 32))
        #expect(throws: ImageError.self) { try PackageStanza("Package: x\nVersion: 1\n").package() }
    }

    @Test(arguments: [
        ("http://a/debian bookworm main", "http://a/debian"),
        ("http://s/debian-security bookworm-security main\nhttp://a/debian/ bookworm main", "http://a/debian"),
        ("https://deb.nodesource.com/node_20.x nodistro main", nil),
        ("http://a/debian bookworm contrib\nhttp://u/ubuntu noble main", nil), ("", nil),
    ])
    func hostMirror(targets: String, expected: String?) {
        #expect(DebianArchive.mirror(in: targets) == expected)
    }

    @Test func signaturesAreForcedOn() {
        let wanted = [
            "APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories", "Acquire::AllowWeakRepositories",
            "Acquire::AllowDowngradeToInsecureRepositories",
        ]
        let text = DebianArchive.configuration("/scratch")
        for setting in wanted { #expect(text.contains("\n\(setting) \"false\";\n"), "\(setting)") }
    }

    @Test(arguments: ["", "6", "6.2", "6.1 ", "latest"])
    func unknownSeries(text: String) {
        #expect { try KernelSeries(parsing: text) } throws: { error in
            (error as? ImageError)?.code == .unknownKernel && "\(error)".contains("5.10, 6.1, 6.12, 7.2")
        }
    }

    @Test func seriesOfARelease() {
        #expect(KernelSeries.bookworm.covers(release: "6.1.0-50-cloud-amd64"))
        #expect(!KernelSeries.bookworm.covers(release: "6.12.107+deb13-cloud-amd64"))
    }

    @Test func payloadOfABzImage() throws {
        var image = [UInt8](repeating: 0, count: 4096)
        image[0x1f1] = 1
        image.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        image[0x248] = 16
        image[0x24c] = 24
        image.replaceSubrange(1040..<1044, with: [0x28, 0xb5, 0x2f, 0xfd])
        let found = try #require(BzImage(Data(image)))
        #expect(found.compression == .zstd)
        #expect(found.payload.count == 20)
        #expect(BzImage(Data("an ordinary file".utf8)) == nil)
    }

    /// Damaged kernels and indexes are refused or read as something else. They never cause a trap.
    @Test func damagedInput() {
        var random = SeededGenerator(seed: 6)
        var image = [UInt8](repeating: 0, count: 2048)
        image.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        var elf: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2] + [UInt8](repeating: 0, count: 507)
        elf[32] = 64
        elf[56] = 4
        var (kernels, entries) = (0, 0)
        for _ in 0..<2000 {
            var one = image
            for _ in 0..<8 { one[Int.random(in: 0x1f0..<0x250, using: &random)] = .random(in: 0...255, using: &random) }
            one.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
            if let found = BzImage(Data(one)) {
                kernels += 1
                #expect(found.payload.count <= one.count)
            }
            var two = elf
            for _ in 0..<12 { two[Int.random(in: 5..<300, using: &random)] = .random(in: 0...255, using: &random) }
            for header in 0..<4 { two[64 + header * 56] = 4 }
            if BzImage.hasPVHEntry(Data(two)) { entries += 1 }
            let text = String(
                decoding: (0..<80).map { _ in Array("ab:/ .\nko|(".utf8)[Int.random(in: 0..<11, using: &random)] },
                as: UTF8.self)
            #expect(PackageStanza(text).dependencies.allSatisfy { !$0.isEmpty })
            #expect(throws: ImageError.self) { try ModuleDependencies(dep: text, builtin: text).loadOrder(of: ["x"]) }
            #expect(DebianArchive.mirror(in: text) == nil)
        }
        // Without the magic of a compression there is no payload, and without the note "Xen" no entry.
        #expect(kernels == 0 && entries == 0)
    }
}

/// SplitMix64: the same sequence in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
