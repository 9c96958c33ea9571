import Datapath
import DatapathModel
import NetAddress

/// Checks of pods that are reached at their own end of the veth. The program that receives a packet for such a pod
/// judges it as the program at the pod's interface would.
enum DeliveryCases {
    static let all = sameNode + judged + arrived

    private static let udp: UInt8 = 17
    private static let tcp: UInt8 = 6
    private static let payload = Frame.udp(40_000, 8080)
    private static let ports = EventRecord.Transport.ports(source: 40_000, destination: 8080)

    private static func frame(
        from source: IPv4Address = TestNode.pod, to destination: IPv4Address = TestNode.neighbour, ttl: UInt8 = 64,
        protocol number: UInt8 = udp, delivered macs: (MACAddress, MACAddress)? = nil, _ payload: [UInt8] = payload
    ) -> [UInt8] {
        let (to, from) = macs ?? (TestNode.podHostMAC, TestNode.podMAC)
        return Frame.ethernet(
            to: to, from: from, type: Frame.ipv4,
            Frame.ipv4Packet(from: source, to: destination, protocol: number, ttl: ttl, payload))
    }

    private static let neighbourMACs = (TestNode.neighbourMAC, TestNode.neighbourHostMAC)
    private static let podMACs = (TestNode.podMAC, TestNode.podHostMAC)

    private static func sent(
        _ connection: ConnectionVerdict = .new, transport: EventRecord.Transport? = ports
    ) -> ExpectedEvent {
        ExpectedEvent(
            point: .fromEndpoint, source: TestNode.pod, destination: TestNode.neighbour,
            sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.neighbourIdentity,
            transport: transport, connection: connection)
    }

    /// The packet as the neighbour's interface receives it.
    private static func received(
        _ connection: ConnectionVerdict? = .new, transport: EventRecord.Transport? = ports,
        _ reason: Reason = .forwarded
    ) -> ExpectedEvent {
        var event = sent(transport: transport)
        event.reason = reason
        event.connection = connection
        event.file = reason.isDrop ? "deliver.h" : nil
        if reason == .unknownInterface { event.destinationIdentity = TestNode.neighbourIdentity }
        return atEndpoint(event, TestNode.neighbourInterface)
    }

    private static func atEndpoint(_ event: ExpectedEvent, _ interface: UInt32) -> ExpectedEvent {
        var event = event
        event.point = .toEndpoint
        event.interface = interface
        event.direction = .ingress
        return event
    }

    private static func entry(
        _ direction: ConnectionDirection, protocol number: UInt8 = udp, _ state: ConnectionState = .opening,
        _ flags: ConnectionEntry.Flags = [], seconds: Int = 60
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(
                from: TestNode.pod, 40_000, to: TestNode.neighbour, 8080, protocol: number, direction),
            state: state, flags: flags, seconds: seconds, identity: TestNode.podIdentity)
    }

    /// The neighbour calls and the pod answers.
    private static func call(
        _ direction: ConnectionDirection, _ flags: ConnectionEntry.Flags = []
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(
                from: TestNode.neighbour, 40_000, to: TestNode.pod, 8080, protocol: tcp, direction),
            flags: flags, seconds: 60, identity: TestNode.neighbourIdentity)
    }

    private static let answer = Frame.tcp(8080, 40_000, flags: 0x12)
    private static let answerPorts = EventRecord.Transport.ports(source: 8080, destination: 40_000)

    private static let sameNode: [SelftestCase] = [
        SelftestCase(
            name: "delivered to a pod of the node", program: .fromContainer, isDelivered: true, packet: frame(),
            verdict: .redirect, output: frame(ttl: 63, delivered: neighbourMACs), events: [sent(), received()],
            connectionsAfter: [entry(.egress), entry(.ingress)]),
        SelftestCase(
            name: "delivered, known at both ends", program: .fromContainer, isDelivered: true, packet: frame(),
            verdict: .redirect, output: frame(ttl: 63, delivered: neighbourMACs),
            events: [sent(.established), received(.established)], connections: [entry(.egress), entry(.ingress)],
            connectionsAfter: [entry(.egress), entry(.ingress)]),
        SelftestCase(
            name: "delivered without traces: counted", program: .fromContainer, setup: .quiet, isDelivered: true,
            packet: frame(), verdict: .redirect, output: frame(ttl: 63, delivered: neighbourMACs),
            events: [sent(), received()]),
        SelftestCase(
            name: "an answer is delivered", program: .fromContainer, isDelivered: true,
            packet: frame(protocol: tcp, answer), verdict: .redirect,
            output: frame(ttl: 63, protocol: tcp, delivered: neighbourMACs, answer),
            events: [sent(.reply, transport: answerPorts), received(.reply, transport: answerPorts)],
            connections: [call(.egress), call(.ingress)],
            connectionsAfter: [call(.egress, [.replied]), call(.ingress, [.replied])]),
        SelftestCase(
            name: "an unknown transport is delivered", program: .fromContainer, isDelivered: true,
            packet: frame(protocol: 132), verdict: .redirect,
            output: frame(ttl: 63, protocol: 132, delivered: neighbourMACs),
            events: [sent(transport: nil), received(transport: nil)]),
        SelftestCase(
            name: "an interface that went away gets nothing", program: .fromContainer, setup: .unknownNeighbour,
            isDelivered: true, packet: frame(), verdict: .drop,
            output: frame(ttl: 63, delivered: neighbourMACs),
            events: [sent(), received(nil, .unknownInterface)], connectionsAfter: [entry(.egress)]),
    ]

    private static func fromNode(
        _ name: String, _ entries: [TestPolicy.Entry], _ events: [ExpectedEvent], delivered: Bool,
        after: [TestConnection]
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: .fromOverlay, isDelivered: true,
            policy: TestPolicy(directions: [.ingress], entries: entries, revision: 7),
            packet: arriving(), tunnelIdentifier: TestNode.remoteIdentity.rawValue,
            verdict: delivered ? .redirect : .drop,
            output: frame(from: TestNode.remotePod, to: TestNode.pod, ttl: 62, delivered: podMACs),
            events: [outOfOverlay] + events, connectionsAfter: after)
    }

    private static func arriving() -> [UInt8] {
        frame(
            from: TestNode.remotePod, to: TestNode.pod, ttl: 63, delivered: (TestNode.podHostMAC, TestNode.foreignMAC))
    }

    private static let outOfOverlay = ExpectedEvent(
        point: .fromOverlay, source: TestNode.remotePod, destination: TestNode.pod,
        sourceIdentity: TestNode.remoteIdentity, destinationIdentity: TestNode.podIdentity, transport: ports,
        tunnelRemote: .any, tunnelIdentifier: TestNode.remoteIdentity.rawValue)

    private static func toPod(
        _ connection: ConnectionVerdict? = .new, _ reason: Reason = .forwarded, file: String? = nil,
        rule: UInt32 = 0, point: TracePoint = .toEndpoint
    ) -> ExpectedEvent {
        var event = atEndpoint(outOfOverlay, TestNode.podInterface)
        event.point = point
        event.tunnelRemote = nil
        event.tunnelIdentifier = nil
        event.connection = connection
        event.reason = reason
        event.file = file
        event.rule = rule
        return event
    }

    private static let remoteCall = TestConnection(
        key: ConnectionKey(from: TestNode.remotePod, 40_000, to: TestNode.pod, 8080, protocol: udp, .ingress),
        seconds: 60, identity: TestNode.remoteIdentity, policyRevision: 7)

    private static let judged: [SelftestCase] = [
        fromNode(
            "delivered where a policy allows it",
            [TestPolicy.Entry(.ingress, TestNode.remoteIdentity, TestPolicy.udp, .allow, rule: 5)],
            [toPod(rule: 5, point: .policyVerdict), toPod()], delivered: true, after: [remoteCall]),
        fromNode(
            "not delivered where no policy allows it",
            [TestPolicy.Entry(.ingress, nil, nil, .defaultDeny, rule: 9)],
            [toPod(.new, .policyDeniedIngress, file: "policy.h", rule: 9)], delivered: false, after: []),
    ]

    private static let arrived: [SelftestCase] = [
        SelftestCase(
            name: "delivered out of the overlay", program: .fromOverlay, isDelivered: true, packet: arriving(),
            tunnelIdentifier: TestNode.remoteIdentity.rawValue, verdict: .redirect,
            output: frame(from: TestNode.remotePod, to: TestNode.pod, ttl: 62, delivered: podMACs),
            events: [outOfOverlay, toPod()]),
        SelftestCase(
            name: "answer: delivered", program: .fromNetdev, isDelivered: true, nat: NATSetup(),
            prior: [.init(.toNetdev, NATCases.leaving(NATCases.question(.udp)))],
            packet: NATCases.arriving(NATCases.answer(.udp)), verdict: .redirect,
            output: NATCases.delivered(NATCases.answer(.udp, to: TestNode.pod, ttl: 63)),
            events: [
                NATCases.received(),
                atEndpoint(
                    ExpectedEvent(
                        point: .toEndpoint, source: TestNode.world, destination: TestNode.pod, sourceIdentity: .world,
                        destinationIdentity: TestNode.podIdentity,
                        transport: .ports(source: NATCases.dns, destination: NATCases.port), connection: .new),
                    TestNode.podInterface),
            ]),
    ]
}
