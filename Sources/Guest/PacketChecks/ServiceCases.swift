import Datapath
import DatapathModel
import NetAddress

/// Checks of services at the pod's interface, in both directions: every byte, including checksums, and what conntrack
/// remembers.
enum ServiceCases {
    static let all = called + kept + answered + itself + refused + errors + switchedOff

    private typealias Services = TestServices
    private static let pod = TestNode.pod
    private static let client: UInt16 = 40_000
    private static let tcp: UInt8 = 6
    private static let udp: UInt8 = 17
    private static let icmp: UInt8 = 1
    private static let syn: UInt8 = 2
    private static let ack: UInt8 = 16

    /// One end of a packet.
    private struct End {
        let address: IPv4Address
        let port: UInt16
    }

    private static let podEnd = End(address: pod, port: client)
    private static let remoteEnd = End(address: TestNode.remotePod, port: Services.backendPort)
    private static let neighbourEnd = End(address: TestNode.neighbour, port: Services.backendPort)
    private static let ownEnd = End(address: pod, port: Services.backendPort)
    private static let loopback = End(address: .serviceLoopback, port: client)
    private static func frontend(_ address: IPv4Address) -> End { End(address: address, port: Services.port) }

    private static func packet(_ number: UInt8, from: End, to: End, flags: UInt8 = syn, ttl: UInt8 = 64) -> [UInt8] {
        let payload =
            number == tcp
            ? Frame.tcp(from: from.address, from.port, to: to.address, to.port, flags: flags)
            : Frame.udp(from: from.address, from.port, to: to.address, to.port)
        return Frame.ipv4Packet(from: from.address, to: to.address, protocol: number, ttl: ttl, payload)
    }

    private static func sent(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet)
    }

    private static func received(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, packet)
    }

    private static func toNeighbour(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.neighbourMAC, from: TestNode.neighbourHostMAC, type: Frame.ipv4, packet)
    }

    private static func seen(
        _ point: TracePoint, from: End, to: End, identities: (Identity, Identity),
        _ connection: ConnectionVerdict?, tunnel: Bool = false, reason: Reason = .forwarded,
        file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: point, source: from.address, destination: to.address,
            sourceIdentity: identities.0, destinationIdentity: identities.1,
            transport: .ports(source: from.port, destination: to.port),
            tunnelRemote: tunnel ? TestNode.otherNode : nil,
            tunnelIdentifier: tunnel ? TestNode.podIdentity.rawValue : nil, connection: connection, file: file)
    }

    private static func connection(
        _ direction: ConnectionDirection, _ number: UInt8, from: End, to: End, _ state: ConnectionState = .opening,
        _ flags: ConnectionEntry.Flags = [], seconds: Int = 60, identity: Identity = TestNode.podIdentity,
        index: UInt16 = 0, backend: UInt32 = 0
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(
                from: from.address, from.port, to: to.address, to.port, protocol: number, direction),
            state: state, flags: flags, seconds: seconds, identity: identity, reverseIndex: index, backend: backend)
    }

    /// The pod calls a service, and the packet leaves for the remote pod.
    private static func toRemote(
        _ name: String, _ number: UInt8, _ service: IPv4Address, flags: UInt8 = syn, to backend: End = remoteEnd,
        verdict: ConnectionVerdict = .new, before: [TestConnection] = [], after: [TestConnection]
    ) -> SelftestCase {
        let identities = (TestNode.podIdentity, TestNode.remoteIdentity)
        return SelftestCase(
            name: name, program: .fromContainer, setup: .services,
            packet: sent(packet(number, from: podEnd, to: frontend(service), flags: flags)), verdict: .redirect,
            output: sent(packet(number, from: podEnd, to: backend, flags: flags, ttl: 63)),
            events: [
                seen(.fromEndpoint, from: podEnd, to: frontend(service), identities: identities, verdict),
                seen(.toOverlay, from: podEnd, to: backend, identities: identities, verdict, tunnel: true),
            ], connections: before, connectionsAfter: after)
    }

    private static func toLocal(
        _ name: String, _ number: UInt8, _ service: IPv4Address, after: [TestConnection]
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: .fromContainer, setup: .services,
            packet: sent(packet(number, from: podEnd, to: frontend(service))), verdict: .redirect,
            output: toNeighbour(packet(number, from: podEnd, to: neighbourEnd, ttl: 63)),
            outputMark: 0x1D00_0000 | TestNode.podIdentity.rawValue,
            events: [
                seen(
                    .fromEndpoint, from: podEnd, to: frontend(service),
                    identities: (TestNode.podIdentity, TestNode.neighbourIdentity), .new)
            ], connectionsAfter: after)
    }

    private static func entries(
        _ number: UInt8, _ service: IPv4Address, to backend: End, _ id: UInt32
    ) -> [TestConnection] {
        let index = Services.index(of: service)
        return [
            connection(.service, number, from: podEnd, to: frontend(service), index: index, backend: id),
            connection(.egress, number, from: podEnd, to: backend, index: index),
        ]
    }

    private static let called: [SelftestCase] = [
        toRemote(
            "UDP to a service", udp, Services.remote,
            after: entries(udp, Services.remote, to: remoteEnd, Services.remoteBackend)),
        toRemote(
            "TCP to a service", tcp, Services.remote,
            after: entries(tcp, Services.remote, to: remoteEnd, Services.remoteBackend)),
        toLocal(
            "TCP to a service with a backend on the node", tcp, Services.local,
            after: entries(tcp, Services.local, to: neighbourEnd, Services.localBackend)),
        toLocal(
            "a client stays with its backend", udp, Services.sticky,
            after: entries(udp, Services.sticky, to: neighbourEnd, Services.localBackend)),
    ]

    private static let leavingEnd = End(address: TestNode.remotePod, port: Services.leavingPort)
    private static let life = Int(ConnectionLifetime.establishedTCP)

    /// Connections whose backend has left.
    private static func leaving(_ number: UInt8, _ state: ConnectionState) -> [TestConnection] {
        let index = Services.index(of: Services.draining)
        return [
            connection(
                .service, number, from: podEnd, to: frontend(Services.draining), state, seconds: 50, index: index,
                backend: Services.leavingBackend),
            connection(.egress, number, from: podEnd, to: leavingEnd, state, [.replied], seconds: 50, index: index),
        ]
    }

    private static let kept: [SelftestCase] = [
        toRemote(
            "an established connection keeps a backend that has left", tcp, Services.draining, flags: ack,
            to: leavingEnd, verdict: .established, before: leaving(tcp, .established),
            after: [
                connection(
                    .service, tcp, from: podEnd, to: frontend(Services.draining), .established, seconds: life,
                    index: 5, backend: Services.leavingBackend),
                connection(
                    .egress, tcp, from: podEnd, to: leavingEnd, .established, [.replied], seconds: life, index: 5),
            ]),
        toRemote(
            "a SYN finds another backend than one that has left", tcp, Services.draining,
            before: leaving(tcp, .opening),
            after: [leaving(tcp, .opening)[1]]
                + entries(tcp, Services.draining, to: remoteEnd, Services.remoteBackend)),
        toRemote(
            "a datagram finds another backend than one that has left", udp, Services.draining,
            before: leaving(udp, .established),
            after: [leaving(udp, .established)[1]]
                + entries(udp, Services.draining, to: remoteEnd, Services.remoteBackend)),
        toRemote(
            "ports of a closed connection call anew", tcp, Services.remote,
            before: [
                connection(
                    .service, tcp, from: podEnd, to: frontend(Services.remote), .closing, [.finForward], seconds: 50,
                    index: 1, backend: Services.localBackend)
            ], after: entries(tcp, Services.remote, to: remoteEnd, Services.remoteBackend)),
        toRemote(
            "FIN of the caller", tcp, Services.remote, flags: ack | 1, verdict: .established,
            before: [
                connection(
                    .service, tcp, from: podEnd, to: frontend(Services.remote), .established, seconds: 50, index: 1,
                    backend: Services.remoteBackend),
                connection(.egress, tcp, from: podEnd, to: remoteEnd, .established, [.replied], seconds: 50, index: 1),
            ],
            after: [
                connection(
                    .service, tcp, from: podEnd, to: frontend(Services.remote), .closing, [.finForward], seconds: 120,
                    index: 1, backend: Services.remoteBackend),
                connection(
                    .egress, tcp, from: podEnd, to: remoteEnd, .closing, [.replied, .finForward], seconds: life,
                    index: 1),
            ]),
    ]

    /// The pod receives a backend's answer as one of the service.
    private static func answer(
        _ name: String, _ number: UInt8, _ service: IPv4Address, from backend: End, _ identity: Identity,
        after: TestConnection
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: .toContainer, setup: .services,
            packet: received(packet(number, from: backend, to: podEnd, flags: syn | ack)), verdict: .pass,
            output: received(packet(number, from: frontend(service), to: podEnd, flags: syn | ack)),
            events: [
                seen(
                    .toEndpoint, from: frontend(service), to: podEnd, identities: (identity, TestNode.podIdentity),
                    .reply)
            ],
            connections: [
                connection(
                    .egress, number, from: podEnd, to: backend, seconds: 30, index: Services.index(of: service))
            ], connectionsAfter: [after])
    }

    private static let answered: [SelftestCase] = [
        answer(
            "UDP answer of a service", udp, Services.remote, from: remoteEnd, TestNode.remoteIdentity,
            after: connection(.egress, udp, from: podEnd, to: remoteEnd, .established, [.replied], index: 1)),
        answer(
            "TCP answer of a service", tcp, Services.local, from: neighbourEnd, TestNode.neighbourIdentity,
            after: connection(.egress, tcp, from: podEnd, to: neighbourEnd, .opening, [.replied], index: 2)),
    ]

    private static let podMark = 0x1D00_0000 | TestNode.podIdentity.rawValue
    private static let ownIdentities = (TestNode.podIdentity, TestNode.podIdentity)

    private static func ownConnection(
        _ direction: ConnectionDirection, _ state: ConnectionState = .opening, _ flags: ConnectionEntry.Flags = [],
        seconds: Int = 60, _ number: UInt8 = tcp
    ) -> TestConnection {
        connection(
            direction, number, from: loopback, to: ownEnd, state, flags.union(.loopback), seconds: seconds,
            index: direction == .egress ? 3 : 0)
    }

    /// The pod calls itself: its call, the call as it receives it, its answer, and the answer as it receives it.
    private static let itself: [SelftestCase] = [
        SelftestCase(
            name: "a pod calls itself", program: .fromContainer, setup: .services,
            packet: sent(packet(tcp, from: podEnd, to: frontend(Services.own))), verdict: .redirect,
            output: received(packet(tcp, from: loopback, to: ownEnd, ttl: 63)), outputMark: podMark,
            events: [seen(.fromEndpoint, from: podEnd, to: frontend(Services.own), identities: ownIdentities, .new)],
            connectionsAfter: [
                connection(
                    .service, tcp, from: podEnd, to: frontend(Services.own), index: 3, backend: Services.ownBackend),
                ownConnection(.egress),
            ]),
        SelftestCase(
            name: "a pod is called by itself", program: .toContainer, setup: .services,
            packet: received(packet(tcp, from: loopback, to: ownEnd)), mark: podMark, verdict: .pass,
            events: [seen(.toEndpoint, from: loopback, to: ownEnd, identities: ownIdentities, .new)],
            connections: [ownConnection(.egress)], connectionsAfter: [ownConnection(.egress), ownConnection(.ingress)]),
        SelftestCase(
            name: "a pod answers itself", program: .fromContainer, setup: .services,
            packet: sent(packet(tcp, from: ownEnd, to: loopback, flags: syn | ack)), verdict: .redirect,
            output: received(packet(tcp, from: ownEnd, to: loopback, flags: syn | ack, ttl: 63)), outputMark: podMark,
            events: [seen(.fromEndpoint, from: ownEnd, to: loopback, identities: ownIdentities, .reply)],
            connections: [ownConnection(.egress), ownConnection(.ingress)],
            connectionsAfter: [ownConnection(.egress), ownConnection(.ingress, .opening, [.replied])]),
        SelftestCase(
            name: "a pod is answered by itself", program: .toContainer, setup: .services,
            packet: received(packet(tcp, from: ownEnd, to: loopback, flags: syn | ack)), mark: podMark, verdict: .pass,
            output: received(packet(tcp, from: frontend(Services.own), to: podEnd, flags: syn | ack)),
            events: [seen(.toEndpoint, from: frontend(Services.own), to: podEnd, identities: ownIdentities, .reply)],
            connections: [ownConnection(.egress), ownConnection(.ingress)],
            connectionsAfter: [ownConnection(.egress, .opening, [.replied]), ownConnection(.ingress)]),
        SelftestCase(
            name: "nobody else calls a pod as itself", program: .toContainer, setup: .services,
            packet: received(packet(tcp, from: loopback, to: ownEnd)), mark: 0x1D00_0001, verdict: .drop,
            events: [
                seen(
                    .toEndpoint, from: loopback, to: ownEnd, identities: (.host, TestNode.podIdentity), nil,
                    reason: .invalidSource, file: "lxc.bpf.c")
            ], connectionsAfter: []),
        SelftestCase(
            name: "no answer to itself that it did not call", program: .toContainer, setup: .services,
            packet: received(packet(tcp, from: ownEnd, to: loopback)), mark: podMark, verdict: .drop,
            events: [
                seen(
                    .toEndpoint, from: ownEnd, to: loopback, identities: ownIdentities, .new,
                    reason: .unknownEndpoint, file: "deliver.h")
            ], connectionsAfter: []),
        SelftestCase(
            name: "no packet to itself unasked", program: .fromContainer, setup: .services,
            packet: sent(packet(tcp, from: ownEnd, to: loopback)), verdict: .drop,
            events: [
                seen(.fromEndpoint, from: ownEnd, to: loopback, identities: (TestNode.podIdentity, .world), .new),
                seen(
                    .fromEndpoint, from: ownEnd, to: loopback, identities: (TestNode.podIdentity, .world), .new,
                    reason: .unknownEndpoint, file: "lxc.bpf.c"),
            ], connectionsAfter: []),
    ]

    private static func noBackend(_ name: String, _ call: [UInt8], quoted: Int) -> SelftestCase {
        let trace = seen(
            .fromEndpoint, from: podEnd, to: frontend(Services.empty), identities: (TestNode.podIdentity, .unknown),
            nil)
        var drop = trace
        drop.reason = .noServiceBackend
        drop.file = "lxc.bpf.c"
        let message = Frame.icmp(type: 3, code: 3, rest: [0, 0, 0, 0] + call.prefix(quoted))
        return SelftestCase(
            name: name, program: .fromContainer, setup: .services, packet: sent(call), verdict: .redirect,
            output: received(answerHeader(message) + message), events: [trace, drop], connectionsAfter: [])
    }

    /// The header of the error. It has no identification, and nothing else but the addresses.
    private static func answerHeader(_ message: [UInt8]) -> [UInt8] {
        let total = 20 + message.count
        var header: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 0xFF), 0, 0, 0, 0, 64, icmp, 0, 0]
        header += Services.empty.octets + pod.octets
        let sum = Frame.checksum(header)
        header[10] = UInt8(sum >> 8)
        header[11] = UInt8(sum & 0xFF)
        return header
    }

    private static let refused: [SelftestCase] = [
        noBackend(
            "TCP to a service without backends", packet(tcp, from: podEnd, to: frontend(Services.empty)), quoted: 40),
        noBackend(
            "UDP to a service without backends", packet(udp, from: podEnd, to: frontend(Services.empty)), quoted: 28),
        noBackend(
            "long datagram to a service without backends",
            Frame.ipv4Packet(
                from: pod, to: Services.empty, protocol: udp,
                Frame.udp(from: pod, client, to: Services.empty, Services.port, Array(repeating: 0x5A, count: 999))),
            quoted: 64),
    ]

    private static func error(_ about: [UInt8], type: UInt8 = 3, code: UInt8 = 3) -> [UInt8] {
        Frame.icmpError(type: type, code: code, about: about, quoted: 8)
    }

    private static func errorPacket(from: IPv4Address, to: IPv4Address, ttl: UInt8 = 64, _ message: [UInt8]) -> [UInt8]
    {
        Frame.ipv4Packet(from: from, to: to, protocol: icmp, ttl: ttl, message)
    }

    private static func errorSeen(
        _ point: TracePoint, from: IPv4Address, to: IPv4Address, identities: (Identity, Identity), type: UInt8 = 3,
        code: UInt8 = 3, tunnel: Bool = false
    ) -> ExpectedEvent {
        ExpectedEvent(
            point: point, source: from, destination: to, sourceIdentity: identities.0,
            destinationIdentity: identities.1,
            transport: .icmp(type: type, code: code, identifier: 0, sequence: 0),
            tunnelRemote: tunnel ? TestNode.otherNode : nil,
            tunnelIdentifier: tunnel ? TestNode.podIdentity.rawValue : nil, connection: .related)
    }

    private static func errorReceived(_ name: String, _ number: UInt8, from router: IPv4Address?) -> SelftestCase {
        let before = connection(.egress, number, from: podEnd, to: remoteEnd, seconds: 30, index: 1)
        let type: UInt8 = router == nil ? 3 : 11
        let code: UInt8 = router == nil ? 3 : 0
        return SelftestCase(
            name: name, program: .toContainer, setup: .services,
            packet: received(
                errorPacket(
                    from: router ?? remoteEnd.address, to: pod,
                    error(packet(number, from: podEnd, to: remoteEnd), type: type, code: code))),
            verdict: .pass,
            output: received(
                errorPacket(
                    from: router ?? Services.remote, to: pod,
                    error(packet(number, from: podEnd, to: frontend(Services.remote)), type: type, code: code))),
            events: [
                errorSeen(
                    .toEndpoint, from: router ?? Services.remote, to: pod,
                    identities: (router == nil ? TestNode.remoteIdentity : .world, TestNode.podIdentity), type: type,
                    code: code)
            ], connections: [before], connectionsAfter: [before])
    }

    private static let errors: [SelftestCase] = [
        errorReceived("ICMP error of a backend, UDP", udp, from: nil),
        errorReceived("ICMP error of a backend, TCP", tcp, from: nil),
        errorReceived("ICMP error of a router on the way to a backend", udp, from: TestNode.world),
        SelftestCase(
            name: "ICMP error of the pod about an answer of a service", program: .fromContainer, setup: .services,
            packet: sent(
                errorPacket(
                    from: pod, to: Services.remote, error(packet(udp, from: frontend(Services.remote), to: podEnd)))),
            verdict: .redirect,
            output: sent(
                errorPacket(
                    from: pod, to: remoteEnd.address, ttl: 63, error(packet(udp, from: remoteEnd, to: podEnd)))),
            events: [
                errorSeen(
                    .fromEndpoint, from: pod, to: Services.remote,
                    identities: (TestNode.podIdentity, TestNode.remoteIdentity)),
                errorSeen(
                    .toOverlay, from: pod, to: Services.remote,
                    identities: (TestNode.podIdentity, TestNode.remoteIdentity), tunnel: true),
            ],
            connections: entries(udp, Services.remote, to: remoteEnd, Services.remoteBackend),
            connectionsAfter: entries(udp, Services.remote, to: remoteEnd, Services.remoteBackend)),
        SelftestCase(
            name: "ICMP error of a pod to itself", program: .toContainer, setup: .services,
            packet: received(
                errorPacket(from: pod, to: .serviceLoopback, error(packet(udp, from: loopback, to: ownEnd)))),
            mark: podMark, verdict: .pass,
            output: received(
                errorPacket(
                    from: Services.own, to: pod, error(packet(udp, from: podEnd, to: frontend(Services.own))))),
            events: [errorSeen(.toEndpoint, from: Services.own, to: pod, identities: ownIdentities)],
            connections: [ownConnection(.egress, udp)], connectionsAfter: [ownConnection(.egress, udp)]),
    ]

    private static func ownConnection(_ direction: ConnectionDirection, _ number: UInt8) -> TestConnection {
        ownConnection(direction, .opening, [], seconds: 60, number)
    }

    private static let switchedOff: [SelftestCase] = [
        SelftestCase(
            name: "without replacement of kube-proxy a service is the stack's", program: .fromContainer,
            packet: sent(packet(tcp, from: podEnd, to: frontend(Services.remote))), verdict: .pass,
            events: [TracePoint.fromEndpoint, .toStack].map {
                seen(
                    $0, from: podEnd, to: frontend(Services.remote), identities: (TestNode.podIdentity, .world), .new)
            },
            connectionsAfter: [connection(.egress, tcp, from: podEnd, to: frontend(Services.remote))])
    ]
}
