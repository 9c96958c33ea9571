import Datapath
import DatapathModel
import NetAddress

/// Checks of connection tracking at the pod's interface: every verdict and every change of state, in both directions.
enum ConnectionCases {
    static let all = opened + followed + answered + errors + fragments

    private static let pod = TestNode.pod
    private static let peer = TestNode.remotePod
    private static let tcp: UInt8 = 6
    private static let udp: UInt8 = 17
    private static let icmp: UInt8 = 1

    private enum Segment {
        static let fin: UInt8 = 1
        static let syn: UInt8 = 2
        static let rst: UInt8 = 4
        static let ack: UInt8 = 16
    }

    /// The direction: what the pod sends to the peer, or receives from it.
    private enum Way {
        case sent, received

        var program: TestedProgram { self == .sent ? .fromContainer : .toContainer }
    }

    private static func frame(
        _ way: Way, protocol number: UInt8, ttl: UInt8 = 64, fragment: UInt16 = 0, from router: IPv4Address? = nil,
        _ payload: [UInt8]
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: router ?? (way == .sent ? pod : peer), to: way == .sent ? peer : pod, protocol: number, ttl: ttl,
            fragment: fragment, payload)
        let (to, from) =
            way == .sent ? (TestNode.podHostMAC, TestNode.podMAC) : (TestNode.podMAC, TestNode.podHostMAC)
        return Frame.ethernet(to: to, from: from, type: Frame.ipv4, packet)
    }

    private static func events(
        _ way: Way, _ connection: ConnectionVerdict?, _ transport: EventRecord.Transport?,
        from router: IPv4Address? = nil, identity: Identity? = nil, drop: Reason? = nil
    ) -> [ExpectedEvent] {
        let peerIdentity = identity ?? TestNode.remoteIdentity
        var seen = ExpectedEvent(
            point: way == .sent ? .fromEndpoint : .toEndpoint, source: router ?? (way == .sent ? pod : peer),
            destination: way == .sent ? peer : pod,
            sourceIdentity: way == .sent ? TestNode.podIdentity : peerIdentity,
            destinationIdentity: way == .sent ? peerIdentity : TestNode.podIdentity, transport: transport,
            connection: connection)
        if let drop {
            seen.reason = drop
            seen.file = "lxc.bpf.c"
            if way == .sent { seen.destinationIdentity = .unknown }
            return [seen]
        }
        guard way == .sent else { return [seen] }
        return [
            seen,
            ExpectedEvent(
                point: .toOverlay, source: pod, destination: peer, sourceIdentity: TestNode.podIdentity,
                destinationIdentity: TestNode.remoteIdentity, transport: transport, tunnelRemote: TestNode.otherNode,
                tunnelIdentifier: TestNode.podIdentity.rawValue, connection: connection),
        ]
    }

    /// A packet between the pod and its peer. The pod's port is 40000 if it calls and 8080 if it is called.
    private static func check(
        _ name: String, _ way: Way, protocol number: UInt8, _ payload: [UInt8], _ transport: EventRecord.Transport?,
        _ verdict: ConnectionVerdict, fragment: UInt16 = 0, before: [TestConnection] = [], after: [TestConnection]
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: way.program,
            packet: frame(way, protocol: number, fragment: fragment, payload),
            verdict: way == .sent ? .redirect : .pass,
            output: way == .sent ? frame(way, protocol: number, ttl: 63, fragment: fragment, payload) : nil,
            events: events(way, verdict, transport), connections: before, connectionsAfter: after)
    }

    /// The table's entry for the pod's call of the peer, or the peer's call of the pod.
    private static func entry(
        _ direction: ConnectionDirection, protocol number: UInt8 = tcp, source: UInt16 = 40_000,
        destination: UInt16 = 8080, _ state: ConnectionState = .opening, _ flags: ConnectionEntry.Flags = [],
        seconds: Int = 60
    ) -> TestConnection {
        let calls = direction == .egress
        return TestConnection(
            key: ConnectionKey(
                from: calls ? pod : peer, source, to: calls ? peer : pod, destination, protocol: number, direction),
            state: state, flags: flags, seconds: seconds,
            identity: calls ? TestNode.podIdentity : TestNode.remoteIdentity)
    }

    private static func segment(
        _ name: String, _ way: Way, _ flags: UInt8, reply: Bool, _ verdict: ConnectionVerdict,
        _ before: [TestConnection], _ after: TestConnection
    ) -> SelftestCase {
        let ports: (UInt16, UInt16) = reply ? (8080, 40_000) : (40_000, 8080)
        return check(
            name, way, protocol: tcp, Frame.tcp(ports.0, ports.1, flags: flags),
            .ports(source: ports.0, destination: ports.1), verdict, before: before, after: [after])
    }

    private static let life = Int(ConnectionLifetime.establishedTCP)
    private static let datagram = Frame.udp(40_000, 8080)
    private static let calling = EventRecord.Transport.ports(source: 40_000, destination: 8080)
    private static let answering = EventRecord.Transport.ports(source: 8080, destination: 40_000)

    private static let opened: [SelftestCase] = [
        segment("SYN opens", .sent, Segment.syn, reply: false, .new, [], entry(.egress)),
        segment("SYN opens", .received, Segment.syn, reply: false, .new, [], entry(.ingress)),
        segment(
            "segment in the middle is taken over", .sent, Segment.ack, reply: false, .new, [],
            entry(.egress, .established, seconds: life)),
        check(
            "UDP opens", .sent, protocol: udp, datagram, calling, .new, after: [entry(.egress, protocol: udp)]),
        check(
            "UDP opens", .received, protocol: udp, datagram, calling, .new, after: [entry(.ingress, protocol: udp)]),
        check(
            "ICMP echo opens", .sent, protocol: icmp, Frame.icmpEcho(identifier: 77, sequence: 1),
            .icmp(type: 8, code: 0, identifier: 77, sequence: 1), .new,
            after: [entry(.egress, protocol: icmp, source: 77, destination: 0)]),
        check(
            "another transport opens by its addresses", .received, protocol: 132, datagram, nil, .new,
            after: [entry(.ingress, protocol: 132, source: 0, destination: 0)]),
        segment(
            "SYN opens again what was closed", .sent, Segment.syn, reply: false, .new,
            [entry(.egress, .closed, [.replied, .finForward, .finReply], seconds: 8)], entry(.egress)),
        segment(
            "SYN opens again what has expired", .received, Segment.syn, reply: false, .new,
            [entry(.ingress, .established, [.replied], seconds: -2)], entry(.ingress)),
    ]

    private static let followed: [SelftestCase] = [
        segment(
            "first ACK establishes", .sent, Segment.ack, reply: false, .established,
            [entry(.egress, .opening, [.replied], seconds: 30)],
            entry(.egress, .established, [.replied], seconds: life)),
        segment(
            "repeated SYN leaves it opening", .sent, Segment.syn, reply: false, .established,
            [entry(.egress, seconds: 30)], entry(.egress)),
        segment(
            "first FIN", .sent, Segment.fin | Segment.ack, reply: false, .established,
            [entry(.egress, .established, [.replied], seconds: 30)],
            entry(.egress, .closing, [.replied, .finForward], seconds: life)),
        segment(
            "RST closes", .received, Segment.rst, reply: false, .established,
            [entry(.ingress, .established, [.replied], seconds: 30)],
            entry(.ingress, .closed, [.replied], seconds: 10)),
        check(
            "UDP goes on", .received, protocol: udp, datagram, calling, .established,
            before: [entry(.ingress, protocol: udp, seconds: 5)], after: [entry(.ingress, protocol: udp)]),
    ]

    private static let answered: [SelftestCase] = [
        segment(
            "SYN and ACK answer", .received, Segment.syn | Segment.ack, reply: true, .reply,
            [entry(.egress, seconds: 30)], entry(.egress, .opening, [.replied])),
        segment(
            "SYN and ACK answer", .sent, Segment.syn | Segment.ack, reply: true, .reply,
            [entry(.ingress, seconds: 30)], entry(.ingress, .opening, [.replied])),
        segment(
            "second FIN closes", .received, Segment.fin | Segment.ack, reply: true, .reply,
            [entry(.egress, .closing, [.replied, .finForward], seconds: 30)],
            entry(.egress, .closed, [.replied, .finForward, .finReply], seconds: 10)),
        segment(
            "RST answers a SYN", .received, Segment.rst | Segment.ack, reply: true, .reply, [entry(.egress)],
            entry(.egress, .closed, [.replied], seconds: 10)),
        check(
            "UDP answered", .received, protocol: udp, Frame.udp(8080, 40_000), answering, .reply,
            before: [entry(.egress, protocol: udp, seconds: 5)],
            after: [entry(.egress, protocol: udp, .established, [.replied])]),
        check(
            "ICMP echo answered", .sent, protocol: icmp, Frame.icmpEcho(type: 0, identifier: 77, sequence: 1),
            .icmp(type: 0, code: 0, identifier: 77, sequence: 1), .reply,
            before: [entry(.ingress, protocol: icmp, source: 77, destination: 0)],
            after: [entry(.ingress, protocol: icmp, source: 77, destination: 0, .established, [.replied])]),
        check(
            "ICMP echo with another identifier is new", .received, protocol: icmp,
            Frame.icmpEcho(type: 0, identifier: 78, sequence: 1),
            .icmp(type: 0, code: 0, identifier: 78, sequence: 1), .new,
            before: [entry(.egress, protocol: icmp, source: 77, destination: 0)],
            after: [
                entry(.egress, protocol: icmp, source: 77, destination: 0),
                entry(.ingress, protocol: icmp, source: 0, destination: 78),
            ]),
    ]

    /// An ICMP error about a packet with the given ends.
    private static func quoting(
        _ source: IPv4Address, to destination: IPv4Address, protocol number: UInt8, type: UInt8 = 3, code: UInt8 = 3,
        _ payload: [UInt8]
    ) -> [UInt8] {
        Frame.icmpError(
            type: type, code: code,
            Frame.ipv4Packet(from: source, to: destination, protocol: number, payload))
    }

    private static func error(
        _ name: String, _ way: Way, _ message: [UInt8], _ verdict: ConnectionVerdict,
        _ connections: [TestConnection], from router: IPv4Address? = nil
    ) -> SelftestCase {
        let transport = EventRecord.Transport.icmp(type: message[0], code: message[1], identifier: 0, sequence: 0)
        return SelftestCase(
            name: name, program: way.program, packet: frame(way, protocol: icmp, from: router, message),
            verdict: way == .sent ? .redirect : .pass,
            output: way == .sent ? frame(way, protocol: icmp, ttl: 63, message) : nil,
            events: events(way, verdict, transport, from: router, identity: router == nil ? nil : .world),
            connections: connections, connectionsAfter: connections)
    }

    private static let errors: [SelftestCase] = [
        error(
            "ICMP error about what the pod sent", .received,
            quoting(pod, to: peer, protocol: tcp, Frame.tcp(40_000, 8080, flags: 2)), .related,
            [entry(.egress, seconds: 30)]),
        error(
            "ICMP error of a router on the way", .received,
            quoting(pod, to: peer, protocol: udp, type: 11, code: 0, datagram), .related,
            [entry(.egress, protocol: udp, seconds: 30)], from: TestNode.world),
        error(
            "ICMP error about what the pod answered", .received,
            quoting(pod, to: peer, protocol: udp, Frame.udp(8080, 40_000)), .related,
            [entry(.ingress, protocol: udp, seconds: 30)]),
        error(
            "ICMP error of the pod", .sent, quoting(peer, to: pod, protocol: udp, datagram), .related,
            [entry(.ingress, protocol: udp, seconds: 30)]),
        error(
            "ICMP error about an echo", .received,
            quoting(pod, to: peer, protocol: icmp, Frame.icmpEcho(identifier: 77, sequence: 1)), .related,
            [entry(.egress, protocol: icmp, source: 77, destination: 0)]),
        error(
            "ICMP error about nothing known", .received,
            quoting(pod, to: peer, protocol: udp, Frame.udp(40_001, 8080)), .new,
            [entry(.egress, protocol: udp, seconds: 30)]),
        error(
            "ICMP error without the packet it is about", .received,
            Array(quoting(pod, to: peer, protocol: udp, datagram).prefix(20)), .new,
            [entry(.egress, protocol: udp, seconds: 30)]),
        error(
            "ICMP error about an ICMP error", .received,
            quoting(pod, to: peer, protocol: icmp, quoting(peer, to: pod, protocol: udp, datagram)), .new,
            [entry(.egress, protocol: udp, seconds: 30)]),
    ]

    private static let moreFragments: UInt16 = 0x2000

    /// These run one after the other. The second finds what the first one left.
    private static let fragments: [SelftestCase] = [
        SelftestCase(
            name: "later fragment before the first", program: .fromContainer,
            packet: frame(.sent, protocol: udp, fragment: 1, datagram), verdict: .drop,
            events: events(.sent, nil, nil, drop: .fragmentNotFound), connectionsAfter: []),
        check(
            "first fragment", .sent, protocol: udp, datagram, calling, .new, fragment: moreFragments,
            after: [entry(.egress, protocol: udp)]),
        check(
            "later fragment has the ports of the first", .sent, protocol: udp, Array(repeating: 0x55, count: 32), nil,
            .established, fragment: 1, before: [entry(.egress, protocol: udp, seconds: 20)],
            after: [entry(.egress, protocol: udp)]),
        check(
            "first fragment", .received, protocol: udp, datagram, calling, .new, fragment: moreFragments,
            after: [entry(.ingress, protocol: udp)]),
        check(
            "later fragment has the ports of the first", .received, protocol: udp, Array(repeating: 0x55, count: 32),
            nil, .established, fragment: 1, before: [entry(.ingress, protocol: udp, seconds: 20)],
            after: [entry(.ingress, protocol: udp)]),
    ]
}
