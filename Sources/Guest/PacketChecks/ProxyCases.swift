import Datapath
import DatapathModel
import NetAddress
import Policy

/// Checks of the way through the proxy at the pod's interface, and of its end at the host device as far as a test run
/// can show it.
enum ProxyCases {
    static let all = called + answered + sent + received + calling

    private static let port: UInt16 = 10_500
    private static let pod = TestNode.pod
    private static let peer = TestNode.remotePod
    private static let remote = TestNode.remoteIdentity
    private static let policy = TestPolicy(
        directions: [.ingress],
        entries: [
            TestPolicy.Entry(.ingress, nil, nil, .defaultDeny, rule: 9),
            TestPolicy.Entry(.ingress, remote, TestPolicy.tcp, .redirect(port: port), rule: 5),
        ], revision: 70)
    private static let toProxy = ProxyMark.toProxy | UInt32(port.bigEndian)

    private static func packet(_ flags: UInt8) -> [UInt8] {
        Frame.ipv4Packet(from: peer, to: pod, protocol: 6, Frame.tcp(40_000, 8080, flags: flags))
    }

    private static func toPod(_ flags: UInt8) -> [UInt8] {
        Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, packet(flags))
    }

    private static func toHost(_ flags: UInt8) -> [UInt8] {
        Frame.ethernet(to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4, packet(flags))
    }

    private static func event(
        _ point: TracePoint, _ connection: ConnectionVerdict?, rule: UInt32 = 0, fromPod: Bool = false
    ) -> ExpectedEvent {
        var event = ExpectedEvent(
            point: point, source: fromPod ? pod : peer, destination: fromPod ? peer : pod,
            sourceIdentity: fromPod ? TestNode.podIdentity : remote,
            destinationIdentity: fromPod ? remote : TestNode.podIdentity,
            transport: fromPod
                ? .ports(source: 8080, destination: 40_000) : .ports(source: 40_000, destination: 8080),
            connection: connection)
        event.rule = rule
        return event
    }

    private static func known(
        _ state: ConnectionState = .established, _ flags: ConnectionEntry.Flags = [.replied, .proxy],
        revision: UInt32 = 70
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(from: peer, 40_000, to: pod, 8080, protocol: 6, .ingress), state: state, flags: flags,
            seconds: state == .opening ? 60 : Int(ConnectionLifetime.establishedTCP), identity: remote,
            policyRevision: revision)
    }

    private static let called: [SelftestCase] = [
        SelftestCase(
            name: "a rule looks at requests: to the proxy", program: .toContainer, policy: policy, packet: toPod(2),
            verdict: .redirect, output: toHost(2), outputMark: toProxy,
            events: [event(.policyVerdict, .new, rule: 5), event(.toProxy, .new)], connections: [],
            connectionsAfter: [known(.opening, [.proxy])]),
        SelftestCase(
            name: "a connection of the proxy goes on there", program: .toContainer, policy: policy, packet: toPod(0x10),
            verdict: .redirect, output: toHost(0x10), outputMark: UInt32(ProxyMark.toProxy),
            events: [event(.toProxy, .established)], connections: [known()], connectionsAfter: [known()]),
        SelftestCase(
            name: "established before a rule looked at requests", program: .toContainer, policy: policy,
            packet: toPod(0x10), verdict: .drop,
            events: [
                {
                    var drop = event(.toEndpoint, .established, rule: 5)
                    drop.reason = .policyDeniedIngress
                    drop.file = "policy.h"
                    return drop
                }()
            ], connections: [known(.established, [.replied], revision: 69)]),
    ]

    private static let sent: [SelftestCase] = [
        SelftestCase(
            name: "what the proxy sends reaches the pod", program: .toContainer, policy: policy, packet: toPod(2),
            mark: ProxyMark.fromProxy, verdict: .pass, events: [event(.toEndpoint, .established)],
            connections: [known()], connectionsAfter: [known()]),
        SelftestCase(
            name: "what the proxy sends by another port is remembered as its own", program: .toContainer,
            policy: policy,
            packet: toPod(2), mark: ProxyMark.fromProxy, verdict: .pass, events: [event(.toEndpoint, .new)],
            connections: [], connectionsAfter: [known(.opening, [.proxy], revision: 0)]),
    ]

    private static let answered: [SelftestCase] = [
        SelftestCase(
            name: "the pod's answer goes to the proxy", program: .fromContainer, policy: policy,
            packet: Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4,
                Frame.ipv4Packet(from: pod, to: peer, protocol: 6, Frame.tcp(8080, 40_000, flags: 0x10))),
            verdict: .pass, outputMark: UInt32(ProxyMark.toProxy),
            events: [event(.fromEndpoint, .reply, fromPod: true), event(.toProxy, .reply, fromPod: true)],
            connections: [known()], connectionsAfter: [known()])
    ]

    private static let received: [SelftestCase] = [
        SelftestCase(
            name: "nothing listens", program: .toProxy, packet: toHost(2), mark: toProxy, verdict: .drop,
            outputMark: toProxy,
            events: [
                ExpectedEvent(
                    reason: .proxyUnavailable, point: .toProxy, source: peer, destination: pod,
                    transport: .ports(source: 40_000, destination: 8080), file: "proxy.h")
            ]),
        SelftestCase(
            name: "nothing listens for datagrams", program: .toProxy,
            packet: Frame.ethernet(
                to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4,
                Frame.ipv4Packet(from: pod, to: peer, protocol: 17, Frame.udp(40_000, 8080, [1, 2]))),
            mark: toProxy, verdict: .drop, outputMark: toProxy,
            events: [
                ExpectedEvent(
                    reason: .proxyUnavailable, point: .toProxy, source: pod, destination: peer,
                    transport: .ports(source: 40_000, destination: 8080), file: "proxy.h")
            ]),
        SelftestCase(
            name: "not for the proxy", program: .toProxy, packet: toHost(2), mark: 0x1D00_0002, verdict: .pass,
            outputMark: 0x1D00_0002),
    ]

    // MARK: Where the pod goes

    private static let egress = TestPolicy(
        directions: [.egress],
        entries: [
            TestPolicy.Entry(.egress, nil, nil, .defaultDeny, rule: 9),
            TestPolicy.Entry(.egress, remote, TestPolicy.tcp, .redirect(port: port), rule: 5),
            TestPolicy.Entry(.egress, remote, TestPolicy.udp, .redirect(port: port), rule: 6),
        ], revision: 70)

    private static func outgoing(_ number: UInt8, _ segment: [UInt8]) -> (packet: [UInt8], toHost: [UInt8]) {
        let packet = Frame.ipv4Packet(from: pod, to: peer, protocol: number, segment)
        return (
            Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet),
            Frame.ethernet(to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4, packet)
        )
    }

    private static func outgoingEvent(
        _ point: TracePoint, _ connection: ConnectionVerdict?, rule: UInt32 = 0
    ) -> ExpectedEvent {
        var event = ExpectedEvent(
            point: point, source: pod, destination: peer, sourceIdentity: TestNode.podIdentity,
            destinationIdentity: remote, transport: .ports(source: 40_000, destination: 8080), connection: connection)
        event.rule = rule
        return event
    }

    private static func opened(
        _ number: UInt8, _ state: ConnectionState, _ flags: ConnectionEntry.Flags
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(from: pod, 40_000, to: peer, 8080, protocol: number, .egress), state: state,
            flags: flags,
            seconds: number == 17 || state == .opening ? 60 : Int(ConnectionLifetime.establishedTCP),
            identity: TestNode.podIdentity, policyRevision: 70)
    }

    private static let calling: [SelftestCase] = {
        let syn = outgoing(6, Frame.tcp(40_000, 8080, flags: 2))
        let ack = outgoing(6, Frame.tcp(40_000, 8080, flags: 0x10))
        let datagram = outgoing(17, Frame.udp(40_000, 8080, [1, 2]))
        let answer = Frame.ipv4Packet(from: peer, to: pod, protocol: 6, Frame.tcp(8080, 40_000, flags: 0x10))
        return [
            SelftestCase(
                name: "a rule looks at what the pod sends: to the proxy", program: .fromContainer, policy: egress,
                packet: syn.packet, verdict: .redirect, output: syn.toHost, outputMark: toProxy,
                events: [
                    outgoingEvent(.fromEndpoint, .new), outgoingEvent(.policyVerdict, .new, rule: 5),
                    outgoingEvent(.toProxy, .new),
                ], connections: [], connectionsAfter: [opened(6, .opening, [.proxy])]),
            SelftestCase(
                name: "a rule looks at the pod's datagrams: to the proxy", program: .fromContainer, policy: egress,
                packet: datagram.packet, verdict: .redirect, output: datagram.toHost, outputMark: toProxy,
                events: [
                    outgoingEvent(.fromEndpoint, .new), outgoingEvent(.policyVerdict, .new, rule: 6),
                    outgoingEvent(.toProxy, .new),
                ], connections: [], connectionsAfter: [opened(17, .opening, [.proxy])]),
            SelftestCase(
                name: "a call through the proxy goes on there", program: .fromContainer, policy: egress,
                packet: ack.packet, verdict: .redirect, output: ack.toHost, outputMark: UInt32(ProxyMark.toProxy),
                events: [outgoingEvent(.fromEndpoint, .established), outgoingEvent(.toProxy, .established)],
                connections: [opened(6, .established, [.replied, .proxy])],
                connectionsAfter: [opened(6, .established, [.replied, .proxy])]),
            SelftestCase(
                name: "the server's answer goes to the proxy that called", program: .toContainer, policy: egress,
                packet: Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, answer),
                verdict: .redirect,
                output: Frame.ethernet(to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4, answer),
                outputMark: UInt32(ProxyMark.toProxy),
                events: [replied(.toProxy)], connections: [opened(6, .established, [.replied, .proxy])],
                connectionsAfter: [opened(6, .established, [.replied, .proxy])]),
            SelftestCase(
                name: "what the proxy answers reaches the pod", program: .toContainer, policy: egress,
                packet: Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, answer),
                mark: ProxyMark.fromProxy, verdict: .pass, events: [replied(.toEndpoint)],
                connections: [opened(6, .established, [.replied, .proxy])],
                connectionsAfter: [opened(6, .established, [.replied, .proxy])]),
        ]
    }()

    private static func replied(_ point: TracePoint) -> ExpectedEvent {
        ExpectedEvent(
            point: point, source: peer, destination: pod, sourceIdentity: remote,
            destinationIdentity: TestNode.podIdentity, transport: .ports(source: 8080, destination: 40_000),
            connection: .reply)
    }
}
