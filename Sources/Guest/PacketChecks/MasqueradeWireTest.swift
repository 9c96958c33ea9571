import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

/// A pod's packet on real (virtual) interfaces of a network namespace made for it: through the stack's routes out by
/// the node's device, and the answer back; masqueraded by the programs, by nf_tables, and not at all.
///
///     podpeer ─ pod [from_container, to_container] … stack … eth0 [to_netdev, from_netdev] ─ wire
enum MasqueradeWireTest {
    private static let patience: Int32 = 2000
    private static let table = "labrun_selftest"

    /// Returns the problems found.
    static func problems() throws -> [String] {
        try NetworkNamespace.create().run { try runInNamespace() }
    }

    private struct Bench: ~Copyable {
        let lxc: Object
        let host: Object
        let pod: PacketSocket
        let wire: PacketSocket
    }

    private static func runInNamespace() throws -> [String] {
        let netlink = try NetlinkSocket()
        let (pod, device) = try makeLinks(netlink)
        var lxc = try EmbeddedObject.lxc.open()
        try lxc.load()
        var host = try EmbeddedObject.host.open()
        try host.load()
        try fill(lxc, pod: pod)
        try fill(host, pod: pod)
        let devices: Map<UInt32, DeviceEntry> = try host.map(MapName.devices)
        try devices.update(DeviceEntry(address: TestNode.node), for: UInt32(device))
        try TrafficControl.attach(try lxc.program("from_container"), to: UInt32(pod), .ingress)
        try TrafficControl.attach(try lxc.program("to_container"), to: UInt32(pod), .egress)
        try TrafficControl.attach(try host.program("from_netdev"), to: UInt32(device), .ingress)
        try TrafficControl.attach(try host.program("to_netdev"), to: UInt32(device), .egress)
        let bench = Bench(
            lxc: lxc, host: host, pod: try PacketSocket(interface: try netlink.link(named: "podpeer").index),
            wire: try PacketSocket(interface: try netlink.link(named: "wire").index))
        return try programs(bench) + off(bench) + netfilter(bench)
    }

    // MARK: The ways

    private static func programs(_ bench: borrowing Bench) throws -> [String] {
        try configure(bench, masquerades: true)
        var problems: [String] = []
        for transport in [NATCases.Transport.udp, .tcp(flags: 2), .echo] {
            problems += try exchange(bench, transport, as: TestNode.node, 40_001).map { "by programs: \($0)" }
        }
        return problems
    }

    private static func off(_ bench: borrowing Bench) throws -> [String] {
        try configure(bench, masquerades: false)
        let sent = try send(bench, .udp, 40_002, as: TestNode.pod)
        return sent ? [] : ["off: the packet did not leave under the pod's address"]
    }

    private static func netfilter(_ bench: borrowing Bench) throws -> [String] {
        guard let pods = IPv4CIDR(TestNode.router, prefixLength: 24)?.network else { return ["no range of pods"] }
        var problems: [String] = []
        var table = MasqueradeTable(name: table, source: pods, exclusions: [], interfaces: [.prefix("et")])
        try table.install()
        if try !MasqueradeTable.isPresent(Self.table) { problems.append("nf_tables: the table is not there") }
        for transport in [NATCases.Transport.udp, .echo] {
            problems += try exchange(bench, transport, as: TestNode.node, 40_003).map { "by nf_tables: \($0)" }
        }
        func keeps(_ port: UInt16, _ why: String) throws {
            // Each table replaces the one before. Each has a flow of its own, because connection tracking keeps what it
            // decided for a flow.
            try table.install()
            if try !send(bench, .udp, port, as: TestNode.pod) { problems.append("nf_tables: masqueraded, but \(why)") }
        }
        table.interfaces = [.named("eth1"), .named("eth")]
        try keeps(40_004, "by another interface")
        table.interfaces = [.named("eth0")]
        table.exclusions = [IPv4CIDR(host: TestNode.otherNode), IPv4CIDR(host: TestNode.world)]
        try keeps(40_005, "the destination is excluded")
        table.exclusions = []
        table.source = IPv4CIDR(host: TestNode.neighbour)
        try keeps(40_006, "another source")
        if try !MasqueradeTable.remove(Self.table) { problems.append("nf_tables: no table to remove") }
        if try MasqueradeTable.remove(Self.table) { problems.append("nf_tables: the table was there twice") }
        return problems
    }

    // MARK: Packets

    /// Sends the question, which must be on the wire under `address`, and the answer, which must reach the pod.
    private static func exchange(
        _ bench: borrowing Bench, _ transport: NATCases.Transport, as address: IPv4Address, _ port: UInt16
    ) throws -> [String] {
        guard try send(bench, transport, port, as: address) else {
            return ["\(transport): nothing left under \(address) within \(patience) ms"]
        }
        try bench.wire.send(
            Frame.ethernet(
                to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4,
                NATCases.answer(transport, to: address, port)))
        let expected = NATCases.delivered(NATCases.answer(transport, to: TestNode.pod, port, ttl: 63))
        let seen = try bench.pod.receive(within: patience) { $0 == expected }
        return seen == nil ? ["\(transport): the answer did not come to the pod within \(patience) ms"] : []
    }

    /// Whether the pod's packet is on the wire with this source, byte by byte.
    private static func send(
        _ bench: borrowing Bench, _ transport: NATCases.Transport, _ port: UInt16, as address: IPv4Address
    ) throws -> Bool {
        try bench.pod.send(
            Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4,
                NATCases.question(transport, from: TestNode.pod, port)))
        let expected = Frame.ethernet(
            to: TestNode.foreignMAC, from: TestNode.hostMAC, type: Frame.ipv4,
            NATCases.packet(transport, from: address, port, to: TestNode.world, NATCases.dns, ttl: 63))
        return try bench.wire.receive(within: patience) { $0 == expected } != nil
    }

    // MARK: The node

    /// - Returns: The indices of the pod's interface and of the node's device.
    private static func makeLinks(_ netlink: borrowing NetlinkSocket) throws -> (pod: Int32, device: Int32) {
        try netlink.createVeth("pod", mac: TestNode.podHostMAC, peer: "podpeer", peerMAC: TestNode.podMAC)
        try netlink.createVeth("eth0", mac: TestNode.hostMAC, peer: "wire", peerMAC: TestNode.foreignMAC)
        for name in ["pod", "podpeer", "eth0", "wire"] { try netlink.setUp(name) }
        let pod = try netlink.link(named: "pod").index
        let device = try netlink.link(named: "eth0").index
        guard let address = IPv4CIDR(TestNode.node, prefixLength: 24) else {
            throw SelftestFailure(description: "no address")
        }
        try Sysctl.set("net/ipv4/ip_forward", "1")
        for name in ["all", "pod", "eth0"] { try Sysctl.set("net/ipv4/conf/\(name)/rp_filter", "0") }
        try netlink.addAddress(address, linkIndex: device)
        try netlink.replaceRoute(Route(to: .any, via: TestNode.otherNode, linkIndex: device))
        try netlink.setPermanentNeighbour(TestNode.otherNode, mac: TestNode.foreignMAC, linkIndex: device)
        try netlink.replaceRoute(Route(to: IPv4CIDR(host: TestNode.pod), linkIndex: pod))
        try netlink.setPermanentNeighbour(TestNode.pod, mac: TestNode.podMAC, linkIndex: pod)
        return (pod, device)
    }

    private static func fill(_ object: borrowing Object, pod: Int32) throws {
        guard let node = TestNode.config(.complete) else { throw SelftestFailure(description: "no configuration") }
        let config: Map<UInt32, ConfigEntry> = try object.map(MapName.config)
        try config.update(ConfigEntry(node), for: 0)
        let interfaces: Map<UInt32, InterfaceEntry> = try object.map(MapName.interfaces)
        try interfaces.update(
            InterfaceEntry(
                endpointID: TestNode.podID, identity: TestNode.podIdentity, ipv4: TestNode.pod, podMAC: TestNode.podMAC,
                hostMAC: TestNode.podHostMAC), for: UInt32(pod))
        let endpoints: Map<EndpointKey, EndpointEntry> = try object.map(MapName.endpoints)
        try endpoints.update(
            EndpointEntry(
                id: TestNode.podID, identity: TestNode.podIdentity, interface: UInt32(pod), podMAC: TestNode.podMAC,
                hostMAC: TestNode.podHostMAC), for: EndpointKey(TestNode.pod))
    }

    private static func configure(_ bench: borrowing Bench, masquerades: Bool) throws {
        let config: Map<UInt32, NATConfigEntry> = try bench.host.map(MapName.natConfig)
        try config.update(NATConfigEntry(masquerades: masquerades, podMTU: 1500), for: 0)
    }
}
