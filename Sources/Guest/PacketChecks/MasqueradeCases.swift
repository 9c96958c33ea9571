import Datapath
import DatapathModel
import NetAddress

/// Checks of what leaves by a node device, and under which address.
enum MasqueradeCases {
    static let all = translated + ports + kept + fragments + errors

    private typealias Cases = NATCases
    private static let world = TestNode.world
    private static let node = TestNode.node
    private static let pod = TestNode.pod

    private static func masqueraded(_ name: String, _ transport: NATCases.Transport) -> SelftestCase {
        SelftestCase(
            name: "masqueraded: \(name)", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(Cases.question(transport)), verdict: .pass,
            output: Cases.leaving(Cases.question(transport, from: node)),
            events: [Cases.sent(transport: Cases.shown(transport, Cases.port, Cases.dns))])
    }

    /// A datagram whose checksum becomes zero with the node's address.
    private static var zeroSum: (before: [UInt8], after: [UInt8]) {
        let plain = Frame.udp(from: node, Cases.port, to: world, Cases.dns, [0, 0])
        let payload = Array(plain[6...7])
        return (Cases.question(.udp, payload: payload), Cases.question(.udp, from: node, payload: payload))
    }

    private static let translated: [SelftestCase] = [
        masqueraded("UDP", .udp),
        masqueraded("UDP without a checksum keeps none", .udpWithoutChecksum),
        masqueraded("TCP", .tcp(flags: 2)),
        masqueraded("ICMP echo", .echo),
        SelftestCase(
            name: "masqueraded: a UDP checksum of zero is written as all ones", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(zeroSum.before), verdict: .pass, output: Cases.leaving(zeroSum.after),
            events: [Cases.sent()]),
        SelftestCase(
            name: "masqueraded: again, the same port", program: .toNetdev, nat: NATSetup(),
            prior: [.init(.toNetdev, Cases.leaving(Cases.question(.tcp(flags: 2))))],
            packet: Cases.leaving(Cases.question(.tcp(flags: 0x11))), verdict: .pass,
            output: Cases.leaving(Cases.question(.tcp(flags: 0x11), from: node)), events: [Cases.sent()]),
        SelftestCase(
            name: "masqueraded: the router's address", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(Cases.question(.udp, from: TestNode.router)), verdict: .pass,
            output: Cases.leaving(Cases.question(.udp, from: node)), events: [Cases.sent(from: node, .host)]),
        SelftestCase(
            name: "masqueraded: another node where remote nodes are", program: .toNetdev,
            nat: NATSetup(remoteNodes: true),
            packet: Cases.leaving(Cases.packet(.udp, from: pod, Cases.port, to: TestNode.otherNode, 53)),
            verdict: .pass,
            output: Cases.leaving(Cases.packet(.udp, from: node, Cases.port, to: TestNode.otherNode, 53)),
            events: [Cases.sent(to: TestNode.otherNode, .remoteNode)]),
        SelftestCase(
            name: "masqueraded: not the overlay, though a pod has its port", program: .toNetdev,
            nat: NATSetup(remoteNodes: true, ports: 40_853...40_854),
            prior: [.init(.toNetdev, Cases.leaving(tunnelPacket(from: pod)))],
            packet: Cases.leaving(tunnelPacket(from: node)), verdict: .pass,
            output: Cases.leaving(tunnelPacket(from: node)), events: []),
        SelftestCase(
            name: "masqueraded: quiet, counted but not traced", program: .toNetdev, setup: .quiet, nat: NATSetup(),
            packet: Cases.leaving(Cases.question(.udp)), verdict: .pass,
            output: Cases.leaving(Cases.question(.udp, from: node)), events: [Cases.sent()]),
    ]

    private static func tunnelPacket(from source: IPv4Address) -> [UInt8] {
        Cases.packet(.udp, from: source, 40_853, to: TestNode.otherNode, 8472)
    }

    /// After the packets of `others`, the pod's packet leaves with `port`.
    private static func port(
        _ name: String, of range: ClosedRange<UInt16>, after others: [[UInt8]] = [], from source: IPv4Address = pod,
        _ sourcePort: UInt16 = 40_853, becomes port: UInt16
    ) -> SelftestCase {
        SelftestCase(
            name: "port: \(name)", program: .toNetdev, nat: NATSetup(ports: range),
            prior: others.map { .init(.toNetdev, Cases.leaving($0)) },
            packet: Cases.leaving(Cases.question(.udp, from: source, sourcePort)), verdict: .pass,
            output: Cases.leaving(Cases.question(.udp, from: node, port)),
            events: source == node
                ? [] : [Cases.sent(transport: .ports(source: port, destination: Cases.dns))])
    }

    private static let ports: [SelftestCase] = [
        port("below the range moves into it", of: 50_000...50_000, from: pod, 1000, becomes: 50_000),
        port(
            "taken by another pod", of: 40_853...40_854,
            after: [Cases.question(.udp, from: TestNode.neighbour)], becomes: 40_854),
        port(
            "taken by the node itself", of: 40_853...40_854, after: [Cases.question(.udp, from: node)],
            becomes: 40_854),
        port(
            "of the node itself, taken by a pod", of: 40_853...40_854,
            after: [Cases.question(.udp, from: TestNode.neighbour)], from: node, becomes: 40_854),
        port("of the node itself is kept", of: 32_768...65_535, from: node, becomes: Cases.port),
        port(
            "is another for another protocol: the same number", of: 40_853...40_853,
            after: [Cases.question(.tcp(flags: 2), from: TestNode.neighbour)], becomes: 40_853),
    ]

    /// A packet that passes and is reported unchanged.
    private static func untouched(
        _ name: String, _ packet: [UInt8], _ setup: NATSetup? = NATSetup(), events: [ExpectedEvent] = []
    ) -> SelftestCase {
        SelftestCase(
            name: "not masqueraded: \(name)", program: .toNetdev, nat: setup, packet: Cases.leaving(packet),
            verdict: .pass, events: events)
    }

    private static func toward(_ destination: IPv4Address) -> [UInt8] {
        Cases.packet(.udp, from: pod, Cases.port, to: destination, Cases.dns)
    }

    /// The connection of a call from the world to the pod.
    private static func called(seconds: Int) -> TestConnection {
        TestConnection(
            key: ConnectionKey(from: world, Cases.dns, to: pod, Cases.port, protocol: 6, .ingress), seconds: seconds,
            identity: .world)
    }

    private static let excluded = IPv4Address(198, 51, 100, 7)

    private static let kept: [SelftestCase] = [
        untouched(
            "another node", toward(TestNode.otherNode),
            events: [Cases.sent(from: pod, to: TestNode.otherNode, .remoteNode)]),
        untouched(
            "a pod of the cluster", toward(TestNode.remotePod),
            events: [Cases.sent(from: pod, to: TestNode.remotePod, TestNode.remoteIdentity)]),
        untouched("an excluded range", toward(excluded), events: [Cases.sent(from: pod, to: excluded)]),
        untouched(
            "masquerade is off", toward(world), NATSetup(masquerades: false), events: [Cases.sent(from: pod)]),
        untouched(
            "neither a pod nor the node",
            Cases.packet(.udp, from: excluded, Cases.port, to: world, Cases.dns),
            events: [Cases.sent(from: excluded, .world)]),
        untouched(
            "a pod's answer to an echo from outside",
            Cases.packet(.echo, from: pod, Cases.dns, to: world, Cases.port, isAnswer: true),
            events: [Cases.sent(from: pod, transport: Cases.shown(.echo, Cases.dns, Cases.port, isAnswer: true))]),
        SelftestCase(
            name: "not masqueraded: a pod's answer to a connection from outside", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(Cases.question(.tcp(flags: 0x12))), verdict: .pass,
            events: [Cases.sent(from: pod)], connections: [called(seconds: 60)]),
        SelftestCase(
            name: "masqueraded: the connection from outside has expired", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(Cases.question(.tcp(flags: 2))), verdict: .pass,
            output: Cases.leaving(Cases.question(.tcp(flags: 2), from: node)), events: [Cases.sent()],
            connections: [called(seconds: -2)]),
        untouched("the node's own SCTP", Frame.ipv4Packet(from: node, to: world, protocol: 132, [1, 2, 3, 4])),
        untouched("a port of the node below the range", Cases.question(.udp, from: node, 1000)),
        untouched("a device that is not listed", toward(world), NATSetup(hasDevice: false)),
        SelftestCase(
            name: "not masqueraded: ARP", program: .toNetdev, nat: NATSetup(),
            packet: Frame.ethernet(
                to: TestNode.broadcastMAC, from: TestNode.hostMAC, type: Frame.arp, Array(repeating: 0, count: 46)),
            verdict: .pass),
        SelftestCase(
            name: "not masqueraded: no configuration", program: .toNetdev, setup: .unconfigured, nat: NATSetup(),
            packet: Cases.leaving(toward(world)), verdict: .pass),
    ]

    private static func part(_ name: String, _ payload: [UInt8], field: UInt16, _ shown: EventRecord.Transport?)
        -> SelftestCase
    {
        SelftestCase(
            name: "fragment: \(name)", program: .toNetdev, nat: NATSetup(),
            packet: Cases.leaving(Cases.fragment(payload, from: pod, to: world, field: field)), verdict: .pass,
            output: Cases.leaving(Cases.fragment(payload, from: node, to: world, field: field)),
            events: [Cases.sent(transport: shown)])
    }

    private static let fragments: [SelftestCase] = [
        part(
            "the first", Frame.udp(Cases.port, Cases.dns, Array(repeating: 7, count: 24)), field: 0x2000,
            .ports(source: Cases.port, destination: Cases.dns)),
        part("the second", Array(repeating: 9, count: 16), field: 0x0004, nil),
    ]

    /// An error about the answer that the world sent to the port.
    private static func error(
        _ name: String, _ transport: NATCases.Transport, quoted: Int, from source: IPv4Address = pod,
        events: [ExpectedEvent]
    ) -> SelftestCase {
        func message(_ address: IPv4Address, about answered: IPv4Address) -> [UInt8] {
            let error = Frame.icmpError(
                type: 3, code: 3, about: Cases.answer(transport, to: answered), quoted: quoted)
            return Cases.leaving(Frame.ipv4Packet(from: address, to: world, protocol: 1, error))
        }
        return SelftestCase(
            name: "ICMP error: \(name)", program: .toNetdev, nat: NATSetup(),
            prior: [.init(.toNetdev, Cases.leaving(Cases.question(transport)))],
            packet: message(source, about: pod), verdict: .pass, output: message(node, about: node), events: events)
    }

    private static let unreachable = Cases.sent(transport: .icmp(type: 3, code: 3, identifier: 0, sequence: 0))

    private static let errors: [SelftestCase] = [
        error("about UDP", .udp, quoted: 15, events: [unreachable]),
        error("about UDP without a checksum", .udpWithoutChecksum, quoted: 8, events: [unreachable]),
        error("about TCP, eight bytes quoted", .tcp(flags: 0x12), quoted: 8, events: [unreachable]),
        error("about TCP, its header quoted", .tcp(flags: 0x12), quoted: 27, events: [unreachable]),
        error("about an echo's answer", .echo, quoted: 15, events: [unreachable]),
        error("of the node about a pod's flow", .udp, quoted: 8, from: node, events: []),
    ]
}
