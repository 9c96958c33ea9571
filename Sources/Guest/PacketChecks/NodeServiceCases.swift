import Datapath
import DatapathModel
import NetAddress

/// Checks of calls of services from outside of the cluster, on the node's devices and on the ways between: every byte,
/// and what the node remembers.
enum NodeServiceCases {
    static let all = called + refused + answered + throughOverlay + natively + errors + fragments

    private typealias Services = TestServices
    private typealias Cases = NATCases
    typealias Transport = NATCases.Transport

    /// A port of the range in which callers keep their port.
    private static let client: UInt16 = 61_500
    private static let world = TestNode.world
    private static let node = TestNode.node
    private static let pod = TestNode.pod
    private static let remote = TestNode.remotePod
    private static let backendPort = Services.backendPort
    private static let transports: [Transport] = [.udp, .udpWithoutChecksum, .tcp(flags: 2)]

    // MARK: Packets

    private static func call(
        _ transport: Transport, to address: IPv4Address, _ port: UInt16, from source: IPv4Address = world,
        _ sourcePort: UInt16 = client, ttl: UInt8 = 64
    ) -> [UInt8] {
        Cases.packet(transport, from: source, sourcePort, to: address, port, ttl: ttl)
    }

    private static func answer(
        _ transport: Transport, from address: IPv4Address, _ port: UInt16, to destination: IPv4Address = world,
        _ destinationPort: UInt16 = client, ttl: UInt8 = 64
    ) -> [UInt8] {
        Cases.packet(transport, from: address, port, to: destination, destinationPort, ttl: ttl, isAnswer: true)
    }

    private static func prior(_ transport: Transport, _ service: Services.NodePort) -> SelftestCase.Prior {
        .init(.fromNetdev, Cases.arriving(call(transport, to: node, service.port)))
    }

    // MARK: Events and connections

    private static func received(_ port: UInt16, to address: IPv4Address = node, from source: UInt16 = client)
        -> ExpectedEvent
    {
        Cases.received(to: address, .ports(source: source, destination: port))
    }

    private static func connections(
        _ transport: Transport, _ service: Services.NodePort, to backend: IPv4Address, _ number: UInt32
    ) -> [TestConnection] {
        var ipProtocol: UInt8 = 17
        if case .tcp = transport { ipProtocol = 6 }
        return [
            TestConnection(
                key: ConnectionKey(from: world, client, to: node, service.port, protocol: ipProtocol, .service),
                seconds: 60, identity: .world, reverseIndex: service.index, backend: number),
            TestConnection(
                key: ConnectionKey(from: world, client, to: backend, backendPort, protocol: ipProtocol, .node),
                seconds: 60, identity: .world, reverseIndex: service.index),
        ]
    }

    // MARK: In by a node device

    private static func called(_ name: String, _ service: Services.NodePort, to backend: IPv4Address, _ number: UInt32)
        -> [SelftestCase]
    {
        transports.map { transport in
            SelftestCase(
                name: "call from outside, \(transport): \(name)", program: .fromNetdev, setup: .nodeServices,
                nat: NATSetup(), packet: Cases.arriving(call(transport, to: node, service.port)), verdict: .pass,
                output: Cases.arriving(call(transport, to: backend, backendPort)), events: [received(service.port)],
                connectionsAfter: connections(transport, service, to: backend, number))
        }
    }

    private static let called =
        called("a pod of the node", Services.toPod, to: pod, Services.ownBackend)
        + called("a pod of another node", Services.toRemote, to: remote, Services.remoteBackend)
        + called("own pods only", Services.toOwn, to: pod, Services.ownBackend)
        + called("by the Maglev table", Services.hashed, to: pod, Services.ownBackend)

    private static func untouched(
        _ name: String, to address: IPv4Address, _ port: UInt16, setup: SelftestCase.Setup = .nodeServices
    ) -> SelftestCase {
        SelftestCase(
            name: "not led to a backend: \(name)", program: .fromNetdev, setup: setup, nat: NATSetup(),
            packet: Cases.arriving(call(.tcp(flags: 2), to: address, port)), verdict: .pass,
            events: [received(port, to: address)], connectionsAfter: [])
    }

    private static func dropped(_ service: Services.NodePort) -> ExpectedEvent {
        var event = received(service.port)
        event.reason = .noServiceBackend
        event.sourceIdentity = .world
        event.file = "node_service.h"
        return event
    }

    /// The call is refused as by kube-proxy's REJECT: with "port unreachable", by the device on which it came.
    private static func refusal(_ transport: Transport, quoted: Int) -> SelftestCase {
        let packet = call(transport, to: node, Services.withoutBackend.port)
        let message = Frame.icmp(type: 3, code: 3, rest: [0, 0, 0, 0] + packet.prefix(quoted))
        let total = 20 + message.count
        var header: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 0xFF), 0, 0, 0, 0, 64, 1, 0, 0]
        header += node.octets + world.octets
        let sum = Frame.checksum(header)
        header[10] = UInt8(sum >> 8)
        header[11] = UInt8(sum & 0xFF)
        return SelftestCase(
            name: "call from outside, \(transport): nobody serves", program: .fromNetdev, setup: .nodeServices,
            nat: NATSetup(), packet: Cases.arriving(packet), verdict: .redirect,
            output: Cases.leaving(header + message),
            events: [received(Services.withoutBackend.port), dropped(Services.withoutBackend)], connectionsAfter: [])
    }

    private static let refused: [SelftestCase] = [
        refusal(.udp, quoted: 28), refusal(.tcp(flags: 2), quoted: 40),
        SelftestCase(
            name: "call from outside: no pod of the node serves", program: .fromNetdev, setup: .nodeServices,
            nat: NATSetup(), packet: Cases.arriving(call(.udp, to: node, Services.toNobody.port)), verdict: .drop,
            events: [received(Services.toNobody.port), dropped(Services.toNobody)], connectionsAfter: []),
        untouched("a cluster address", to: Services.remote, Services.port),
        untouched("another port of the node", to: node, 30_099),
        untouched("calls from outside are not translated", to: node, Services.toPod.port, setup: .services),
    ]

    // MARK: Out by a node device

    private static func sent(
        _ port: UInt16, from address: IPv4Address, _ identity: Identity, to destination: IPv4Address = world,
        _ destinationPort: UInt16 = client, _ destinationIdentity: Identity = .world
    ) -> ExpectedEvent {
        Cases.sent(
            from: address, identity, to: destination, destinationIdentity,
            transport: .ports(source: port, destination: destinationPort))
    }

    private static func answered(
        _ transport: Transport, _ service: Services.NodePort, from backend: IPv4Address, _ identity: Identity
    ) -> SelftestCase {
        SelftestCase(
            name: "answer to a call from outside, \(transport): of \(backend)", program: .toNetdev,
            setup: .nodeServices, nat: NATSetup(), prior: [prior(transport, service)],
            packet: Cases.leaving(answer(transport, from: backend, backendPort)), verdict: .pass,
            output: Cases.leaving(answer(transport, from: node, service.port)),
            events: [sent(service.port, from: node, identity)])
    }

    private static let answered: [SelftestCase] =
        transports.map { answered($0, Services.toPod, from: pod, TestNode.podIdentity) }
        + transports.map { answered($0, Services.toRemote, from: remote, TestNode.remoteIdentity) }
        + [
            SelftestCase(
                name: "what answers no call from outside is masqueraded", program: .toNetdev, setup: .nodeServices,
                nat: NATSetup(), prior: [prior(.udp, Services.toPod)],
                packet: Cases.leaving(answer(.udp, from: pod, 40_000, to: world, 53)), verdict: .pass,
                output: Cases.leaving(answer(.udp, from: node, 40_000, to: world, 53)),
                events: [sent(40_000, from: node, TestNode.podIdentity, to: world, 53)])
        ]

    // MARK: Through the overlay

    private static func toHost(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.hostMAC, from: TestNode.hostMAC, type: Frame.ipv4, packet)
    }

    private static func forwarded(_ transport: Transport, from port: UInt16, range: NATSetup, as newPort: UInt16)
        -> SelftestCase
    {
        func event(_ point: TracePoint, _ source: IPv4Address, _ port: UInt16, tunnel: Bool) -> ExpectedEvent {
            ExpectedEvent(
                point: point, source: source, destination: remote, sourceIdentity: .world,
                destinationIdentity: TestNode.remoteIdentity,
                transport: .ports(source: port, destination: backendPort),
                tunnelRemote: tunnel ? TestNode.otherNode : nil,
                tunnelIdentifier: tunnel ? Identity.world.rawValue : nil)
        }
        return SelftestCase(
            name: "call from outside to another node, \(transport), as port \(newPort)", program: .fromHost,
            setup: .nodeServices, nat: range,
            prior: [
                .init(.fromNetdev, Cases.arriving(call(transport, to: node, Services.toRemote.port, from: world, port)))
            ],
            packet: toHost(call(transport, to: remote, backendPort, from: world, port, ttl: 63)), verdict: .redirect,
            output: toHost(call(transport, to: remote, backendPort, from: TestNode.router, newPort, ttl: 63)),
            events: [
                event(.fromHost, world, port, tunnel: false),
                event(.toOverlay, TestNode.router, newPort, tunnel: true),
            ])
    }

    /// A flow that the node passes to the other node's pod, in the form in which answers find it.
    private static func flow(_ number: UInt8) -> (key: NATKey, entry: NATEntry) {
        (
            NATKey(
                source: remote, sourcePort: backendPort, destination: TestNode.router, destinationPort: client,
                protocol: number, direction: .ingress),
            NATEntry(address: world, port: client, flags: .service)
        )
    }

    private static func fromOverlay(_ transport: Transport, _ number: UInt8) -> SelftestCase {
        func event(_ point: TracePoint) -> ExpectedEvent {
            ExpectedEvent(
                point: point, source: remote, destination: TestNode.router, sourceIdentity: TestNode.remoteIdentity,
                destinationIdentity: .host, transport: .ports(source: backendPort, destination: client),
                tunnelRemote: .any, tunnelIdentifier: TestNode.remoteIdentity.rawValue)
        }
        return SelftestCase(
            name: "answer of another node to a call from outside, \(transport)", program: .fromOverlay,
            setup: .nodeServices, nat: NATSetup(flows: [flow(number)]),
            packet: Cases.arriving(answer(transport, from: remote, backendPort, to: TestNode.router, client)),
            tunnelIdentifier: TestNode.remoteIdentity.rawValue, verdict: .redirect,
            output: toHost(answer(transport, from: remote, backendPort)), events: [event(.fromOverlay), event(.toHost)])
    }

    private static let narrow = NATSetup(ports: 32_768...61_000)

    private static let throughOverlay: [SelftestCase] =
        transports.map { forwarded($0, from: client, range: NATSetup(), as: client) }
        + [
            forwarded(.udp, from: 50_000, range: narrow, as: 61_000),
            fromOverlay(.udp, 17), fromOverlay(.tcp(flags: 0x12), 6),
            SelftestCase(
                name: "call from outside to another node: no port is left", program: .fromHost, setup: .nodeServices,
                nat: narrow,
                prior: [
                    .init(
                        .fromNetdev, Cases.arriving(call(.udp, to: node, Services.toRemote.port, from: world, 50_000))),
                    .init(.fromHost, toHost(call(.udp, to: remote, backendPort, from: world, 50_000))),
                    .init(
                        .fromNetdev, Cases.arriving(call(.udp, to: node, Services.toRemote.port, from: world, 50_001))),
                ],
                packet: toHost(call(.udp, to: remote, backendPort, from: world, 50_001)), verdict: .drop,
                events: [
                    ExpectedEvent(
                        point: .fromHost, source: world, destination: remote, sourceIdentity: .world,
                        destinationIdentity: TestNode.remoteIdentity,
                        transport: .ports(source: 50_001, destination: backendPort)),
                    ExpectedEvent(
                        reason: .natNoPort, point: .fromHost, source: world, destination: remote,
                        sourceIdentity: .world,
                        destinationIdentity: TestNode.remoteIdentity,
                        transport: .ports(source: 50_001, destination: backendPort), file: "host.bpf.c"),
                ]),
        ]

    // MARK: Native routing

    /// The call has left for the other node's pod.
    private static func led(_ transport: Transport) -> [SelftestCase.Prior] {
        [
            prior(transport, Services.toRemote),
            .init(.toNetdev, Cases.leaving(call(transport, to: remote, backendPort))),
        ]
    }

    private static let natively: [SelftestCase] = transports.flatMap { transport in
        [
            SelftestCase(
                name: "call from outside to another node by its route, \(transport)", program: .toNetdev,
                setup: .nodeServices, nat: NATSetup(), prior: [prior(transport, Services.toRemote)],
                packet: Cases.leaving(call(transport, to: remote, backendPort)), verdict: .pass,
                output: Cases.leaving(call(transport, to: remote, backendPort, from: node)),
                events: [sent(client, from: node, .world, to: remote, backendPort, TestNode.remoteIdentity)]),
            SelftestCase(
                name: "answer of another node by its route, \(transport)", program: .fromNetdev, setup: .nodeServices,
                nat: NATSetup(masquerades: false), prior: led(transport),
                packet: Cases.arriving(answer(transport, from: remote, backendPort, to: node, client)), verdict: .pass,
                output: Cases.arriving(answer(transport, from: remote, backendPort)),
                events: [
                    Cases.received(from: remote, to: node, .ports(source: backendPort, destination: client))
                ]),
        ]
    }

    // MARK: ICMP errors

    private static func error(_ packet: [UInt8], from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
        Frame.ipv4Packet(
            from: source, to: destination, protocol: 1,
            Frame.icmpError(type: 3, code: 4, word: 1400, about: packet, quoted: 8))
    }

    private static let shown = EventRecord.Transport.icmp(type: 3, code: 4, identifier: 0, sequence: 1400)

    private static let errors: [SelftestCase] = [
        SelftestCase(
            name: "ICMP error of the caller about an answer", program: .fromNetdev, setup: .nodeServices,
            nat: NATSetup(), prior: [prior(.udp, Services.toPod)],
            packet: Cases.arriving(
                error(answer(.udp, from: node, Services.toPod.port), from: world, to: node)), verdict: .pass,
            output: Cases.arriving(error(answer(.udp, from: pod, backendPort), from: world, to: pod)),
            events: [Cases.received(shown)]),
        SelftestCase(
            name: "ICMP error of the pod about a call", program: .toNetdev, setup: .nodeServices, nat: NATSetup(),
            prior: [prior(.udp, Services.toPod)],
            packet: Cases.leaving(error(call(.udp, to: pod, backendPort), from: pod, to: world)), verdict: .pass,
            output: Cases.leaving(error(call(.udp, to: node, Services.toPod.port), from: node, to: world)),
            events: [Cases.sent(from: node, transport: shown)]),
        SelftestCase(
            name: "ICMP error of a router about a call that was led on", program: .fromNetdev, setup: .nodeServices,
            nat: NATSetup(), prior: led(.udp),
            packet: Cases.arriving(
                error(call(.udp, to: remote, backendPort, from: node), from: TestNode.otherNode, to: node)),
            verdict: .pass,
            output: Cases.arriving(
                error(call(.udp, to: remote, backendPort), from: TestNode.otherNode, to: world)),
            events: [Cases.received(from: TestNode.otherNode, shown)]),
        SelftestCase(
            name: "ICMP error of the caller about an answer that was led on", program: .toNetdev,
            setup: .nodeServices, nat: NATSetup(), prior: led(.udp),
            packet: Cases.leaving(error(answer(.udp, from: remote, backendPort), from: world, to: remote)),
            verdict: .pass,
            output: Cases.leaving(
                error(answer(.udp, from: remote, backendPort, to: node), from: node, to: remote)),
            events: [
                Cases.sent(from: node, .world, to: remote, TestNode.remoteIdentity, transport: shown)
            ]),
    ]

    // MARK: Fragments

    private static let first = Frame.udp(client, Services.toPod.port, Array(repeating: 5, count: 24))
    private static let second = [UInt8](repeating: 6, count: 16)
    /// An address whose fragments no other case left behind.
    private static let cutting = IPv4Address(203, 0, 113, 77)

    private static func part(_ payload: [UInt8], to address: IPv4Address, field: UInt16) -> [UInt8] {
        Cases.arriving(Cases.fragment(payload, from: cutting, to: address, field: field))
    }

    private static let fragments: [SelftestCase] = [
        SelftestCase(
            name: "call from outside: the first fragment", program: .fromNetdev, setup: .nodeServices, nat: NATSetup(),
            packet: part(first, to: node, field: 0x2000), verdict: .pass,
            output: part(
                Frame.udp(client, backendPort, Array(repeating: 5, count: 24)), to: pod, field: 0x2000),
            events: [
                Cases.received(from: cutting, to: node, .ports(source: client, destination: Services.toPod.port))
            ]),
        SelftestCase(
            name: "call from outside: the second fragment", program: .fromNetdev, setup: .nodeServices, nat: NATSetup(),
            prior: [.init(.fromNetdev, part(first, to: node, field: 0x2000))],
            packet: part(second, to: node, field: 4), verdict: .pass, output: part(second, to: pod, field: 4),
            events: [Cases.received(from: cutting, to: node, nil)]),
    ]
}
