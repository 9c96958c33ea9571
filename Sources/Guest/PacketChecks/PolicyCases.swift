import Datapath
import DatapathModel
import NetAddress
import Policy

/// Checks of policy at the pod's interface: which entry decides, in both directions, and for connections that exist
/// already.
enum PolicyCases {
    static let all = verdicts + strength + ports + peers + established + exempt

    private static let pod = TestNode.pod
    private static let remote = TestNode.remoteIdentity
    private static let revision: UInt32 = 70

    /// Whether the pod calls or is called.
    private enum Way: CaseIterable {
        case calls, called

        var program: TestedProgram { self == .calls ? .fromContainer : .toContainer }
        var direction: TrafficDirection { self == .calls ? .egress : .ingress }
        var denied: Reason { self == .calls ? .policyDeniedEgress : .policyDeniedIngress }
        var other: Way { self == .calls ? .called : .calls }
        var tracked: ConnectionDirection { self == .calls ? .egress : .ingress }
    }

    /// The expected fate of a packet.
    private enum Fate {
        /// It passes by this rule. 0 means that it was not judged.
        case allowed(UInt32)
        case denied(UInt32)
        case forbidden(UInt32)
    }

    private struct Packet {
        var number: UInt8 = 6
        var payload = Frame.tcp(40_000, 8080, flags: 2)
        var transport: EventRecord.Transport? = .ports(source: 40_000, destination: 8080)
        var peer = TestNode.remotePod
        var identity = TestNode.remoteIdentity
        var mark: UInt32 = 0
    }

    private static func frame(_ way: Way, _ packet: Packet, ttl: UInt8 = 64) -> [UInt8] {
        let bytes = Frame.ipv4Packet(
            from: way == .calls ? pod : packet.peer, to: way == .calls ? packet.peer : pod, protocol: packet.number,
            ttl: ttl, packet.payload)
        let (to, from) =
            way == .calls ? (TestNode.podHostMAC, TestNode.podMAC) : (TestNode.podMAC, TestNode.podHostMAC)
        return Frame.ethernet(to: to, from: from, type: Frame.ipv4, bytes)
    }

    /// A packet that the pod sends (if `way` is `.calls`) or receives.
    private static func check(
        _ name: String, _ way: Way, of packet: Packet = Packet(), _ entries: [TestPolicy.Entry],
        enforced: Set<TrafficDirection>? = nil, _ fate: Fate, _ connection: ConnectionVerdict = .new,
        reason: Reason? = nil, before: [TestConnection] = [], after: [TestConnection]? = nil
    ) -> SelftestCase {
        let seen = ExpectedEvent(
            point: way == .calls ? .fromEndpoint : .toEndpoint, source: way == .calls ? pod : packet.peer,
            destination: way == .calls ? packet.peer : pod,
            sourceIdentity: way == .calls ? TestNode.podIdentity : packet.identity,
            destinationIdentity: way == .calls ? packet.identity : TestNode.podIdentity, transport: packet.transport,
            connection: connection)
        var decided = seen
        var events = way == .calls ? [seen] : []
        var verdict = way == .calls ? Verdict.redirect : .pass
        var output: [UInt8]?
        switch fate {
        case .allowed(let rule):
            if rule != 0 {
                decided = ExpectedEvent(
                    point: .policyVerdict, source: seen.source, destination: seen.destination,
                    sourceIdentity: seen.sourceIdentity, destinationIdentity: seen.destinationIdentity,
                    transport: seen.transport, connection: seen.connection)
                decided.rule = rule
                events.append(decided)
            }
            if way == .called { events.append(seen) }
            if way == .calls, packet.peer == TestNode.remotePod {
                output = frame(way, packet, ttl: 63)
                events.append(
                    ExpectedEvent(
                        point: .toOverlay, source: seen.source, destination: seen.destination,
                        sourceIdentity: seen.sourceIdentity, destinationIdentity: seen.destinationIdentity,
                        transport: seen.transport, tunnelRemote: TestNode.otherNode,
                        tunnelIdentifier: TestNode.podIdentity.rawValue, connection: connection))
            } else if way == .calls {
                verdict = .pass
                var stack = seen
                stack = ExpectedEvent(
                    point: .toStack, source: seen.source, destination: seen.destination,
                    sourceIdentity: seen.sourceIdentity, destinationIdentity: seen.destinationIdentity,
                    transport: seen.transport, connection: connection)
                events.append(stack)
            }
        case .denied(let rule), .forbidden(let rule):
            decided.reason = way.denied
            if case .forbidden = fate { decided.reason = .policyDenyRule }
            if let reason { decided.reason = reason }
            decided.rule = rule
            decided.file = "policy.h"
            events.append(decided)
            verdict = .drop
        }
        return SelftestCase(
            name: name, program: way.program,
            policy: TestPolicy(directions: enforced ?? [way.direction], entries: entries, revision: revision),
            packet: frame(way, packet), mark: packet.mark, verdict: verdict, output: output, events: events,
            connections: before, connectionsAfter: after)
    }

    private static func entry(
        _ way: Way, _ identity: Identity? = remote, _ ports: PortRange? = TestPolicy.tcp,
        _ verdict: PolicyMapValue.Verdict = .allow, rule: UInt32 = 5
    ) -> TestPolicy.Entry {
        TestPolicy.Entry(way.direction, identity, ports, verdict, rule: rule)
    }

    private static func isolated(_ way: Way) -> TestPolicy.Entry { entry(way, nil, nil, .defaultDeny, rule: 9) }

    /// The table's entry for the packet's connection.
    private static func known(
        _ way: Way, _ state: ConnectionState = .established, _ flags: ConnectionEntry.Flags = [.replied],
        seconds: Int = Int(ConnectionLifetime.establishedTCP), revision: UInt32 = revision
    ) -> TestConnection {
        let calls = way == .calls
        return TestConnection(
            key: ConnectionKey(
                from: calls ? pod : TestNode.remotePod, 40_000, to: calls ? TestNode.remotePod : pod, 8080, protocol: 6,
                way.tracked),
            state: state, flags: flags, seconds: seconds, identity: calls ? TestNode.podIdentity : remote,
            policyRevision: revision)
    }

    private static let verdicts = Way.allCases.flatMap { way -> [SelftestCase] in
        [
            check("no policy", way, [entry(way, nil, nil, .deny)], enforced: [], .allowed(0)),
            check(
                "policy of the other direction", way, [entry(way, nil, nil, .deny)], enforced: [way.other.direction],
                .allowed(0)),
            check("nothing allows it", way, [], .denied(0), after: []),
            check("nothing allows it, the isolating policies are named", way, [isolated(way)], .denied(9), after: []),
            check(
                "allowed, and entered with the policy's revision", way, [isolated(way), entry(way)], .allowed(5),
                after: [known(way, .opening, [], seconds: 60)]),
            check("allowed by port, whoever it is", way, [isolated(way), entry(way, nil)], .allowed(5)),
            check("allowed by peer, whatever it is", way, [isolated(way), entry(way, remote, nil)], .allowed(5)),
            check("allowed everything", way, [entry(way, nil, nil)], .allowed(5)),
            check(
                "another peer", way, [isolated(way), entry(way, Identity(rawValue: 257))], .denied(9), after: []),
            check("another port", way, [isolated(way), entry(way, remote, TestPolicy.highPorts)], .denied(9)),
            check("another protocol", way, [isolated(way), entry(way, remote, TestPolicy.udp)], .denied(9)),
            check(
                "an entry of the other direction", way, [isolated(way), entry(way.other)], .denied(9)),
        ]
    }

    /// Each of the four entries that cover a connection denies, while the other three allow.
    private static let strength = Way.allCases.flatMap { way -> [SelftestCase] in
        let covers: [(Identity?, PortRange?)] = [
            (remote, TestPolicy.tcp), (nil, TestPolicy.tcp), (remote, nil), (nil, nil),
        ]
        let denied = covers.indices.map { denying in
            check(
                "a deny rule over all others (\(denying + 1) of 4)", way,
                covers.indices.map {
                    entry(
                        way, covers[$0].0, covers[$0].1, $0 == denying ? .deny : .allow, rule: UInt32(20 + $0))
                }, .forbidden(UInt32(20 + denying)), after: [])
        }
        let named = covers.indices.map { first in
            check(
                "the most specific rule is named (\(first + 1) of 4)", way,
                covers.indices.dropFirst(first).map {
                    entry(way, covers[$0].0, covers[$0].1, .allow, rule: UInt32(20 + $0))
                }, .allowed(UInt32(20 + first)))
        }
        return denied + named
    }

    private static func packet(
        _ number: UInt8, _ payload: [UInt8], _ transport: EventRecord.Transport?
    ) -> Packet {
        Packet(number: number, payload: payload, transport: transport)
    }

    private static func tcp(port: UInt16) -> Packet {
        packet(6, Frame.tcp(40_000, port, flags: 2), .ports(source: 40_000, destination: port))
    }

    private static let ports = Way.allCases.flatMap { way -> [SelftestCase] in
        let high = [isolated(way), entry(way, remote, TestPolicy.highPorts)]
        let udp = packet(17, Frame.udp(40_000, 8080), .ports(source: 40_000, destination: 8080))
        let echo = packet(
            1, Frame.icmpEcho(identifier: 8080, sequence: 1), .icmp(type: 8, code: 0, identifier: 8080, sequence: 1))
        let other = packet(47, Frame.udp(40_000, 8080), nil)
        return [
            check("below a range", way, of: tcp(port: 29_999), high, .denied(9)),
            check("first port of a range", way, of: tcp(port: 30_000), high, .allowed(5)),
            check("inside of a range", way, of: tcp(port: 35_007), high, .allowed(5)),
            check("last port of a range", way, of: tcp(port: 40_100), high, .allowed(5)),
            check("beyond a range", way, of: tcp(port: 40_101), high, .denied(9)),
            check("UDP", way, of: udp, [isolated(way), entry(way, remote, TestPolicy.udp)], .allowed(5)),
            check("UDP by a rule for TCP", way, of: udp, [isolated(way), entry(way)], .denied(9)),
            check(
                "ICMP by its type", way, of: echo, [isolated(way), entry(way, remote, TestPolicy.echo)], .allowed(5)),
            check("ICMP by a rule for a port", way, of: echo, [isolated(way), entry(way)], .denied(9)),
            check(
                "a protocol without ports", way, of: other, [isolated(way), entry(way, remote, TestPolicy.udp)],
                .denied(9)),
            check(
                "a protocol without ports by peer", way, of: other, [isolated(way), entry(way, remote, nil)],
                .allowed(5)),
        ]
    }

    private static func world(_ address: IPv4Address, _ identity: Identity, mark: UInt32 = 0) -> Packet {
        var packet = Packet()
        packet.peer = address
        packet.identity = identity
        packet.mark = mark
        return packet
    }

    private static let peers: [SelftestCase] =
        Way.allCases.flatMap { way -> [SelftestCase] in
            let range = TestNode.rangeIdentity
            let byRange = [isolated(way), entry(way, range)]
            return [
                check("a range that is named", way, of: world(TestNode.namedWorld, range), byRange, .allowed(5)),
                check("the world outside of it", way, of: world(TestNode.world, .world), byRange, .denied(9)),
                check(
                    "another node", way, of: world(TestNode.otherNode, .remoteNode),
                    [isolated(way), entry(way, .remoteNode)],
                    .allowed(5)),
                check(
                    "the node itself", way, of: world(TestNode.router, .host), [isolated(way), entry(way, .host)],
                    .allowed(5)),
            ]
        } + [
            check(
                "a range that is named, from another node", .called,
                of: world(TestNode.namedWorld, TestNode.rangeIdentity, mark: 0x1D00_0002),
                [isolated(.called), entry(.called, TestNode.rangeIdentity)], .allowed(5)),
            check(
                "the tunnel's identity, not the address's", .called,
                of: world(TestNode.namedWorld, Identity(rawValue: 0x123456), mark: 0x1D12_3456),
                [isolated(.called), entry(.called, TestNode.rangeIdentity)], .denied(9)),
        ]

    private static let segment = Packet(payload: Frame.tcp(40_000, 8080, flags: 0x10))
    private static let answer = Packet(
        payload: Frame.tcp(8080, 40_000, flags: 0x10), transport: .ports(source: 8080, destination: 40_000))

    private static let established = Way.allCases.flatMap { way -> [SelftestCase] in
        // An answer goes in the opposite direction of its connection.
        let connection = way.other
        return [
            check(
                "established under this policy", way, of: segment, [isolated(way)], .allowed(0), .established,
                before: [known(way)], after: [known(way)]),
            check(
                "established, and forbidden since", way, of: segment, [isolated(way)], .denied(9), .established,
                before: [known(way, revision: revision - 1)], after: [known(way, revision: revision - 1)]),
            check(
                "established, and still allowed", way, of: segment, [isolated(way), entry(way)], .allowed(5),
                .established,
                before: [known(way, revision: revision - 1)], after: [known(way)]),
            check(
                "established, and no policy any more", way, of: segment, [], enforced: [], .allowed(0), .established,
                before: [known(way, revision: revision - 1)], after: [known(way)]),
            check(
                "answer under this policy", way, of: answer, [isolated(way), isolated(connection)],
                enforced: [.ingress, .egress], .allowed(0), .reply, before: [known(connection)],
                after: [known(connection)]),
            check(
                "answer of what is forbidden since", way, of: answer, [isolated(connection)],
                enforced: [connection.direction], .denied(9), .reply, reason: connection.denied,
                before: [known(connection, revision: revision - 1)],
                after: [known(connection, revision: revision - 1)]),
            check(
                "answer of what is still allowed", way, of: answer, [isolated(connection), entry(connection)],
                enforced: [connection.direction], .allowed(5), .reply,
                before: [known(connection, revision: revision - 1)], after: [known(connection)]),
        ]
    }

    /// An ICMP error of a router on the way, about a packet that the pod sent.
    private static let error: Packet = {
        let sent = Frame.ipv4Packet(
            from: pod, to: TestNode.remotePod, protocol: 6, Frame.tcp(40_000, 8080, flags: 0x10))
        return Packet(
            number: 1, payload: Frame.icmpError(type: 3, code: 4, sent),
            transport: .icmp(type: 3, code: 4, identifier: 0, sequence: 0), peer: TestNode.world, identity: .world)
    }()

    private static let exempt: [SelftestCase] = [
        check(
            "an ICMP error of a connection", .called, of: error, [isolated(.called), isolated(.calls)],
            enforced: [.ingress, .egress], .allowed(0), .related, before: [known(.calls, revision: revision - 1)]),
        check("an ICMP error of none", .called, of: error, [isolated(.called)], .denied(9)),
    ]
}
