import Datapath
import DatapathModel
import NetAddress

/// Checks of direct server return, byte by byte: what the called node tells the backend's node, and what that one does
/// with it.
enum DirectReturnCases {
    static let all =
        called + announced + received + refused + answered + announcedNatively + receivedNatively + refusedNatively

    private typealias Services = TestServices
    private typealias Cases = NATCases
    private typealias Transport = NATCases.Transport

    private static let client: UInt16 = 61_500
    private static let world = TestNode.world
    private static let node = TestNode.node
    private static let backendPort = Services.backendPort
    private static let opening = Transport.tcp(flags: 2)
    private static let following = Transport.tcp(flags: 0x10)
    private static let ttl: UInt8 = 63

    /// The IP option: type 0x9A, length 8, port and address.
    private static func option(_ port: UInt16 = Services.direct.port, length: UInt8 = 8) -> [UInt8] {
        [0x9A, length, UInt8(port >> 8), UInt8(port & 0xFF)] + node.octets
    }

    /// A call on its way to a backend.
    private static func call(
        _ transport: Transport, from source: IPv4Address = world, to backend: IPv4Address, options: [UInt8] = [],
        ttl: UInt8 = ttl
    ) -> [UInt8] {
        let packet = Cases.packet(transport, from: source, client, to: backend, backendPort, ttl: ttl)
        return Frame.ipv4Packet(
            from: source, to: backend, protocol: packet[9], ttl: ttl, options: options, Array(packet.dropFirst(20)))
    }

    private static func number(_ transport: Transport) -> UInt8 {
        if case .tcp = transport { 6 } else { 17 }
    }

    /// The entry by which a node remembers a call.
    private static func known(
        _ transport: Transport, to backend: IPv4Address, state: ConnectionState = .opening, seconds: Int = 60
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(
                from: world, client, to: backend, backendPort, protocol: number(transport), .node),
            state: state, flags: .direct, seconds: seconds, identity: .world, reverseIndex: Services.direct.index)
    }

    // MARK: The node that is called

    private static let called: [SelftestCase] = [Transport.udp, opening].map { transport in
        let packet = Cases.packet(transport, from: world, client, to: node, Services.direct.port)
        return SelftestCase(
            name: "call to be answered directly, \(transport)", program: .fromNetdev, setup: .nodeServices,
            nat: NATSetup(), packet: Cases.arriving(packet), verdict: .pass,
            output: Cases.arriving(call(transport, to: TestNode.remotePod, ttl: 64)),
            events: [
                Cases.received(from: world, to: node, .ports(source: client, destination: Services.direct.port))
            ],
            connectionsAfter: [
                TestConnection(
                    key: ConnectionKey(
                        from: world, client, to: node, Services.direct.port, protocol: number(transport), .service),
                    seconds: 60, identity: .world, reverseIndex: Services.direct.index,
                    backend: Services.remoteBackend),
                known(transport, to: TestNode.remotePod),
            ])
    }

    private static func toHost(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4, packet)
    }

    private static func leaves(_ name: String, _ transport: Transport, own: [UInt8] = [], options: [UInt8])
        -> SelftestCase
    {
        func event(_ point: TracePoint, tunnel: Bool) -> ExpectedEvent {
            ExpectedEvent(
                point: point, source: world, destination: TestNode.remotePod, sourceIdentity: .world,
                destinationIdentity: TestNode.remoteIdentity,
                transport: .ports(source: client, destination: backendPort),
                tunnelRemote: tunnel ? TestNode.otherNode : nil,
                tunnelIdentifier: tunnel ? Identity.world.rawValue : nil)
        }
        return SelftestCase(
            name: "led on to be answered directly: \(name)", program: .fromHost, setup: .nodeServices, nat: NATSetup(),
            packet: toHost(call(transport, to: TestNode.remotePod, options: own)), verdict: .redirect,
            output: toHost(call(transport, to: TestNode.remotePod, options: options + own)),
            events: [event(.fromHost, tunnel: false), event(.toOverlay, tunnel: true)],
            connections: [known(transport, to: TestNode.remotePod)])
    }

    private static let announced: [SelftestCase] = [
        leaves("a datagram", .udp, options: option()),
        leaves("a datagram without checksum", .udpWithoutChecksum, options: option()),
        leaves("the first segment", opening, options: option()),
        leaves("a later segment, which says nothing", following, options: []),
        leaves("a packet with options of its own", opening, own: [1, 1, 1, 0], options: option()),
    ]

    // MARK: The backend's node

    private static func inner(_ transport: Transport, options: [UInt8]) -> [UInt8] {
        Cases.arriving(call(transport, to: TestNode.pod, options: options))
    }

    private static func event(_ reason: Reason = .forwarded, identity: Identity = .world, file: String? = nil)
        -> ExpectedEvent
    {
        ExpectedEvent(
            reason: reason, point: .fromOverlay, source: world, destination: TestNode.pod, sourceIdentity: identity,
            destinationIdentity: TestNode.podIdentity, transport: .ports(source: client, destination: backendPort),
            tunnelRemote: .any, tunnelIdentifier: identity.rawValue, file: file)
    }

    private static func arrives(
        _ name: String, _ transport: Transport, options: [UInt8], left: [UInt8] = [], identity: Identity = .world,
        before: [TestConnection] = [], after: [TestConnection]
    ) -> SelftestCase {
        SelftestCase(
            name: "led here to be answered directly: \(name)", program: .fromOverlay, setup: .nodeServices,
            nat: NATSetup(), packet: inner(transport, options: options), tunnelIdentifier: identity.rawValue,
            verdict: .redirect,
            output: Cases.delivered(call(transport, to: TestNode.pod, options: left, ttl: ttl - 1)),
            outputMark: 0x1D00_0000 | identity.rawValue, events: [event(identity: identity)], connections: before,
            connectionsAfter: after)
    }

    private static let received: [SelftestCase] = [
        arrives("a datagram", .udp, options: option(), after: [known(.udp, to: TestNode.pod)]),
        arrives(
            "a datagram without checksum", .udpWithoutChecksum, options: option(),
            after: [known(.udp, to: TestNode.pod)]),
        arrives("the first segment", opening, options: option(), after: [known(opening, to: TestNode.pod)]),
        arrives(
            "a segment of a connection before it", opening, options: option(),
            before: [known(opening, to: TestNode.pod, state: .closed, seconds: 5)],
            after: [known(opening, to: TestNode.pod)]),
        arrives(
            "other options stay", .udp, options: option() + [1, 1, 1, 0], left: [1, 1, 1, 0],
            after: [known(.udp, to: TestNode.pod)]),
        arrives("other options alone", .udp, options: [1, 1, 1, 0], left: [1, 1, 1, 0], after: []),
        arrives("another length", .udp, options: option(length: 7), left: option(length: 7), after: []),
        // A pod may write the option as well.
        arrives(
            "of a pod", .udp, options: option(), left: option(), identity: TestNode.remoteIdentity, after: []),
    ]

    private static let refused: [SelftestCase] = [
        SelftestCase(
            name: "led here for a frontend that nobody knows", program: .fromOverlay, setup: .nodeServices,
            nat: NATSetup(), packet: inner(.udp, options: option(30_099)),
            tunnelIdentifier: Identity.world.rawValue, verdict: .drop,
            events: [event(), event(.unknownFrontend, file: "overlay.bpf.c")], connectionsAfter: [])
    ]

    // MARK: The answer

    private static let answered: [SelftestCase] = [Transport.udp, .tcp(flags: 0x12)].map { transport in
        func answer(from address: IPv4Address, _ port: UInt16) -> [UInt8] {
            Cases.leaving(
                Cases.packet(transport, from: address, port, to: world, client, ttl: ttl, isAnswer: true))
        }
        return SelftestCase(
            name: "answered directly, \(transport)", program: .toNetdev, setup: .nodeServices, nat: NATSetup(),
            packet: answer(from: TestNode.pod, backendPort), verdict: .pass,
            output: answer(from: node, Services.direct.port),
            events: [
                Cases.sent(
                    from: node, TestNode.podIdentity, to: world, .world,
                    transport: .ports(source: Services.direct.port, destination: client))
            ],
            connections: [known(transport, to: TestNode.pod)])
    }

    // MARK: Natively

    private static func sent(
        _ reason: Reason = .forwarded, from source: IPv4Address = world,
        to destination: IPv4Address = TestNode.remotePod,
        _ identity: Identity = TestNode.remoteIdentity,
        _ transport: EventRecord.Transport? = .ports(source: client, destination: backendPort), file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: .toNetwork, source: source, destination: destination,
            sourceIdentity: reason == .forwarded ? .world : .unknown,
            destinationIdentity: reason == .forwarded ? identity : .unknown, transport: transport, file: file)
    }

    private static func leavesNatively(
        _ name: String, _ transport: Transport, own: [UInt8] = [], options: [UInt8]
    ) -> SelftestCase {
        SelftestCase(
            name: "led on natively to be answered directly: \(name)", program: .toNetdev, setup: .nativeNodeServices,
            nat: NATSetup(), packet: Cases.leaving(call(transport, to: TestNode.remotePod, options: own)),
            verdict: .pass, output: Cases.leaving(call(transport, to: TestNode.remotePod, options: options + own)),
            events: [sent()], connections: [known(transport, to: TestNode.remotePod)])
    }

    /// A packet to the remote pod with this number of octets.
    private static func packet(_ transport: Transport, octets: Int) -> [UInt8] {
        let headers = Cases.packet(transport, from: world, client, to: TestNode.remotePod, backendPort, payload: [])
            .count
        return Cases.packet(
            transport, from: world, client, to: TestNode.remotePod, backendPort,
            payload: Array(repeating: 0x4C, count: octets - headers))
    }

    /// A segment of the greatest length allowed.
    private static let longSegment = packet(following, octets: TestNode.narrowMTU)
    /// A datagram that fits, but not with the option added.
    private static let longDatagram = packet(.udp, octets: TestNode.narrowMTU - 7)

    private static let announcedNatively: [SelftestCase] = [
        leavesNatively("a datagram", .udp, options: option()),
        leavesNatively("a datagram without checksum", .udpWithoutChecksum, options: option()),
        leavesNatively("the first segment", opening, options: option()),
        leavesNatively("a later segment, which says nothing", following, options: []),
        leavesNatively("a packet with options of its own", opening, own: [1, 1, 1, 0], options: option()),
        SelftestCase(
            name: "led on natively, a segment as long as may be", program: .toNetdev, setup: .nativeNodeServices,
            nat: NATSetup(), packet: Cases.leaving(longSegment), verdict: .pass, output: Cases.leaving(longSegment),
            events: [sent()], connections: [known(following, to: TestNode.remotePod)]),
        SelftestCase(
            name: "led on natively, and too long with the option", program: .toNetdev, setup: .nativeNodeServices,
            nat: NATSetup(), packet: Cases.leaving(longDatagram), verdict: .drop,
            events: [sent(.fragmentationNeeded, file: "host.bpf.c")],
            connections: [known(.udp, to: TestNode.remotePod)]),
        SelftestCase(
            name: "led on natively to a node's own network, which answers the node", program: .toNetdev,
            setup: .nativeNodeServices, nat: NATSetup(),
            packet: Cases.leaving(call(.udp, to: TestNode.otherNode)), verdict: .pass,
            output: Cases.leaving(
                Cases.packet(.udp, from: node, client, to: TestNode.otherNode, backendPort, ttl: ttl)),
            events: [
                sent(
                    from: node, to: TestNode.otherNode, .remoteNode,
                    .ports(source: client, destination: backendPort))
            ],
            connections: [known(.udp, to: TestNode.otherNode)]),
    ]

    private static func arrivesNatively(
        _ name: String, _ transport: Transport, from source: IPv4Address = world,
        to destination: IPv4Address = TestNode.pod, options: [UInt8], left: [UInt8] = [],
        setup: SelftestCase.Setup = .nativeNodeServices, after: [TestConnection]
    ) -> SelftestCase {
        func packet(_ options: [UInt8]) -> [UInt8] {
            Cases.arriving(call(transport, from: source, to: destination, options: options))
        }
        return SelftestCase(
            name: "led here natively to be answered directly: \(name)", program: .fromNetdev, setup: setup,
            nat: NATSetup(), packet: packet(options), verdict: .pass, output: packet(left),
            events: [
                Cases.received(from: source, to: destination, .ports(source: client, destination: backendPort))
            ], connectionsAfter: after)
    }

    private static let receivedNatively: [SelftestCase] = [
        arrivesNatively("a datagram", .udp, options: option(), after: [known(.udp, to: TestNode.pod)]),
        arrivesNatively("the first segment", opening, options: option(), after: [known(opening, to: TestNode.pod)]),
        arrivesNatively(
            "other options stay", .udp, options: option() + [1, 1, 1, 0], left: [1, 1, 1, 0],
            after: [known(.udp, to: TestNode.pod)]),
        arrivesNatively("other options alone", .udp, options: [1, 1, 1, 0], left: [1, 1, 1, 0], after: []),
        arrivesNatively("no option", .udp, options: [], after: []),
        arrivesNatively("another length", .udp, options: option(length: 7), left: option(length: 7), after: []),
        arrivesNatively(
            "of a pod", .udp, from: TestNode.remotePod, options: option(), left: option(), after: []),
        arrivesNatively(
            "of a node", .udp, from: TestNode.otherNode, options: option(), left: option(), after: []),
        arrivesNatively("for the node", .udp, to: node, options: option(), left: option(), after: []),
        arrivesNatively(
            "beside an overlay", .udp, options: option(), left: option(), setup: .nodeServices, after: []),
    ]

    private static let refusedNatively: [SelftestCase] = [
        SelftestCase(
            name: "led here natively for a frontend that nobody knows", program: .fromNetdev,
            setup: .nativeNodeServices, nat: NATSetup(),
            packet: Cases.arriving(call(.udp, to: TestNode.pod, options: option(30_099))), verdict: .drop,
            events: [
                Cases.received(
                    from: world, to: TestNode.pod, .ports(source: client, destination: backendPort)),
                ExpectedEvent(
                    reason: .unknownFrontend, point: .fromNetwork, source: world, destination: TestNode.pod,
                    sourceIdentity: .world, transport: .ports(source: client, destination: backendPort),
                    file: "host.bpf.c"),
            ], connectionsAfter: [])
    ]
}
