import DatapathModel
import NetAddress
import Policy

/// The way through the proxy at the pod's interface, and its end at the host device as far as a test run can go.
enum ProxyCases {
    static let all = called + answered + sent + received

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
            name: "not for the proxy", program: .toProxy, packet: toHost(2), mark: 0x1D00_0002, verdict: .pass,
            outputMark: 0x1D00_0002),
    ]
}
