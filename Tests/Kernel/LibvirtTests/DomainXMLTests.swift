import Foundation
import Testing

@testable import Libvirt

/// Compares a text with a file beside the tests. With `LABRUN_RECORD=1` the file is written instead.
private func expectSnapshot(_ text: String, _ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Snapshots")
    let file = folder.appendingPathComponent(name)
    if ProcessInfo.processInfo.environment["LABRUN_RECORD"] == "1" {
        try text.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "differs from \(name)")
}

private let node = DomainSpec(
    name: "node1", uuid: "6c616272-756e-4000-8000-000000000001", kernel: "/cache/vmlinuz", initrd: "/cache/initrd",
    kernelArguments: "console=ttyS0 panic=-1", consoleLog: "/tmp/labrun-0/node1.log",
    channels: [.init(name: "labrun.link", socketPath: "/tmp/labrun-0/node1.sock")],
    interfaces: [.init(tap: "tap1", mac: "52:54:00:00:00:01", mtu: 1500)])

@Suite struct DomainXMLTests {
    @Test func softwareEmulatedNode() throws {
        try expectSnapshot(try DomainXML.encode(node), "node-tcg.xml")
    }

    @Test func hardwareNodeWithTwoCards() throws {
        var spec = node
        spec.accelerator = .kvm
        spec.initrd = nil
        spec.rebootAction = .destroy
        spec.hotplugSlots = 0
        spec.interfaces.append(.init(tap: "tap2", mac: "52:54:00:00:00:02", linkUp: false))
        try expectSnapshot(try DomainXML.encode(spec), "node-kvm.xml")
    }

    @Test func aReadOnlyDisk() throws {
        var spec = node
        spec.disks = [.init(path: "/cache/userland.squashfs")]
        let text = try DomainXML.encode(spec)
        #expect(text.contains("<source file=\"/cache/userland.squashfs\" />"))
        #expect(text.contains("<target dev=\"vda\" bus=\"virtio\" />"))
        #expect(text.contains("<readonly"))
        // There is one root port more than without it.
        let ports = { (text: String) in text.components(separatedBy: "pcie-root-port").count }
        #expect(ports(text) == ports(try DomainXML.encode(node)) + 1)
    }

    @Test func aCardAlone() throws {
        var card = node.interfaces[0]
        card.linkUp = false
        try expectSnapshot(try DomainXML.Interface.encode(card), "interface.xml")
    }

    @Test func hostileTextIsEscaped() throws {
        var spec = node
        spec.kernelArguments = "a=\"<&>'\" </cmdline><devices/>"
        let text = try DomainXML.encode(spec)
        #expect(!text.contains("</cmdline><devices/>"))
        #expect(text.contains("&lt;/cmdline&gt;&lt;devices/&gt;"))
    }
}

@Suite struct DomainEventTests {
    @Test(arguments: [
        (0, 0, DomainEvent.Kind.other(0)), (2, 0, .started), (3, 0, .suspended), (4, 0, .resumed),
        (5, 0, .stopped(.shutdown)), (5, 1, .stopped(.destroyed)), (5, 2, .stopped(.crashed)),
        (5, 5, .stopped(.failed)), (5, 99, .stopped(.unknown)), (6, 0, .shutdown), (8, 0, .crashed),
        (77, 0, .other(77)),
    ])
    func numbers(event: Int32, detail: Int32, kind: DomainEvent.Kind) {
        #expect(DomainEvent(domain: "node1", event: event, detail: detail).kind == kind)
    }
}

@Suite struct EmbedRootTests {
    @Test func staleStateGoesAndCapabilitiesComeBack() throws {
        let base = "/tmp/labrun-root-test-\(getpid())"
        let files = FileManager.default
        defer { try? files.removeItem(atPath: base) }
        let root = EmbedRoot(path: base + "/v", sharedCache: base + "/cache")
        try files.createDirectory(atPath: base + "/v/run/qemu", withIntermediateDirectories: true)
        try root.prepare()
        #expect(!files.fileExists(atPath: base + "/v/run"))
        #expect(
            try String(contentsOfFile: base + "/v/etc/qemu.conf", encoding: .utf8).contains("stdio_handler = \"file\""))
        root.publishCapabilities()
        #expect(!files.fileExists(atPath: base + "/cache"), "nothing was probed, nothing is published")
        try "<caps/>".write(toFile: base + "/v/cache/qemu/capabilities/ab.xml", atomically: false, encoding: .utf8)
        root.publishCapabilities()
        let later = EmbedRoot(path: base + "/w", sharedCache: base + "/cache")
        try later.prepare()
        #expect(
            try String(contentsOfFile: base + "/w/cache/qemu/capabilities/ab.xml", encoding: .utf8) == "<caps/>")
        #expect(later.processIdentifier(ofDomain: "node1") == nil)
    }
}
