import Datapath
import DatapathModel
import NetAddress

/// Checks of what a pod sends and receives.
enum LXCCases {
    static let all = sent + refused + neighbourDiscovery + received + beforeReady

    private static let udpPayload = Frame.udp(40_000, 8080)
    private static let ports = EventRecord.Transport.ports(source: 40_000, destination: 8080)

    /// A frame from the pod to its gateway's MAC address.
    private static func fromPod(
        to destination: IPv4Address, from source: IPv4Address = TestNode.pod, ttl: UInt8 = 64,
        protocol number: UInt8 = 17,
        fragment: UInt16 = 0, options: [UInt8] = [], _ payload: [UInt8] = udpPayload
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: source, to: destination, protocol: number, ttl: ttl, fragment: fragment, options: options, payload)
        return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet)
    }

    /// The same packet as the neighbour on this node receives it.
    private static func toNeighbour(
        ttl: UInt8, protocol number: UInt8 = 17, fragment: UInt16 = 0, options: [UInt8] = [],
        _ payload: [UInt8] = udpPayload
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.pod, to: TestNode.neighbour, protocol: number, ttl: ttl, fragment: fragment,
            options: options,
            payload)
        return Frame.ethernet(to: TestNode.neighbourMAC, from: TestNode.neighbourHostMAC, type: Frame.ipv4, packet)
    }

    /// An event of the pod's own packet.
    private static func event(
        _ point: TracePoint = .fromEndpoint, _ reason: Reason = .forwarded, to destination: IPv4Address,
        _ identity: Identity, transport: EventRecord.Transport? = ports,
        connection: ConnectionVerdict? = .new, file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: point, source: TestNode.pod, destination: destination,
            sourceIdentity: TestNode.podIdentity, destinationIdentity: identity, transport: transport,
            connection: connection, file: file)
    }

    private static let podMark = 0x1D00_0000 | TestNode.podIdentity.rawValue

    private static func sameNode(
        _ name: String, protocol number: UInt8, fragment: UInt16 = 0, options: [UInt8] = [], _ payload: [UInt8],
        _ transport: EventRecord.Transport?
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: .fromContainer,
            packet: fromPod(
                to: TestNode.neighbour, protocol: number, fragment: fragment, options: options, payload),
            verdict: .redirect,
            output: toNeighbour(ttl: 63, protocol: number, fragment: fragment, options: options, payload),
            outputMark: podMark,
            events: [event(to: TestNode.neighbour, TestNode.neighbourIdentity, transport: transport)])
    }

    private static let sent: [SelftestCase] = [
        sameNode("UDP to a pod of the same node", protocol: 17, udpPayload, ports),
        sameNode("TCP to a pod of the same node", protocol: 6, Frame.tcp(40_000, 8080, flags: 2), ports),
        sameNode(
            "ICMP to a pod of the same node", protocol: 1, Frame.icmpEcho(identifier: 0x4C52, sequence: 7),
            .icmp(type: 8, code: 0, identifier: 0x4C52, sequence: 7)),
        sameNode("IPv4 options", protocol: 17, options: [1, 1, 1, 1], udpPayload, ports),
        sameNode("unknown transport", protocol: 132, udpPayload, nil),
        SelftestCase(
            name: "aggregated TCP data segment is counted, not traced", program: .fromContainer, setup: .aggregating,
            packet: fromPod(to: TestNode.neighbour, protocol: 6, Frame.tcp(1, 2, flags: 0x10)), verdict: .redirect,
            output: toNeighbour(ttl: 63, protocol: 6, Frame.tcp(1, 2, flags: 0x10)), outputMark: podMark,
            events: [event(to: TestNode.neighbour, TestNode.neighbourIdentity)]),
        SelftestCase(
            name: "pod on another node", program: .fromContainer, packet: fromPod(to: TestNode.remotePod),
            verdict: .redirect, output: fromPod(to: TestNode.remotePod, ttl: 63),
            events: [
                event(to: TestNode.remotePod, TestNode.remoteIdentity),
                ExpectedEvent(
                    point: .toOverlay, source: TestNode.pod, destination: TestNode.remotePod,
                    sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.remoteIdentity,
                    transport: ports, tunnelRemote: TestNode.otherNode,
                    tunnelIdentifier: TestNode.podIdentity.rawValue, connection: .new),
            ]),
        SelftestCase(
            name: "gateway", program: .fromContainer, packet: fromPod(to: TestNode.router), verdict: .pass,
            events: [event(to: TestNode.router, .host), event(.toStack, to: TestNode.router, .host)]),
        SelftestCase(
            name: "own node", program: .fromContainer, packet: fromPod(to: TestNode.node), verdict: .pass,
            events: [event(to: TestNode.node, .host), event(.toStack, to: TestNode.node, .host)]),
        SelftestCase(
            name: "another node's address", program: .fromContainer, packet: fromPod(to: TestNode.otherNode),
            verdict: .pass,
            events: [
                event(to: TestNode.otherNode, .remoteNode), event(.toStack, to: TestNode.otherNode, .remoteNode),
            ]),
        SelftestCase(
            name: "world", program: .fromContainer, packet: fromPod(to: TestNode.world), verdict: .pass,
            events: [event(to: TestNode.world, .world), event(.toStack, to: TestNode.world, .world)]),
        SelftestCase(
            name: "quiet: counted, not traced", program: .fromContainer, setup: .quiet,
            packet: fromPod(to: TestNode.world), verdict: .pass,
            events: [event(to: TestNode.world, .world), event(.toStack, to: TestNode.world, .world)]),
    ]

    private static func dropped(
        _ name: String, _ reason: Reason, _ packet: [UInt8], to destination: IPv4Address?,
        from source: IPv4Address? = TestNode.pod, identity: Identity = .unknown,
        transport: EventRecord.Transport? = ports, seenFirst: Bool = false, verdict: Verdict = .drop,
        file: String = "lxc.bpf.c"
    ) -> SelftestCase {
        let drop = ExpectedEvent(
            reason: reason, point: .fromEndpoint, source: source, destination: destination,
            sourceIdentity: TestNode.podIdentity, destinationIdentity: identity, transport: transport,
            connection: seenFirst ? .new : nil, file: file)
        var trace = drop
        trace.reason = .forwarded
        trace.file = nil
        return SelftestCase(
            name: name, program: .fromContainer, packet: packet, verdict: verdict,
            events: seenFirst ? [trace, drop] : [drop])
    }

    private static func cut(_ packet: [UInt8], to length: Int) -> [UInt8] { Array(packet.prefix(length)) }

    /// A packet with one changed byte in its IPv4 header.
    private static func broken(_ offset: Int, _ value: UInt8) -> [UInt8] {
        var packet = fromPod(to: TestNode.neighbour)
        packet[14 + offset] = value
        return packet
    }

    private static let refused: [SelftestCase] = [
        dropped(
            "spoofed source", .invalidSource, fromPod(to: TestNode.neighbour, from: TestNode.neighbour),
            to: TestNode.neighbour, from: TestNode.neighbour),
        dropped(
            "no such pod on this node", .unknownEndpoint, fromPod(to: TestNode.absentNeighbour),
            to: TestNode.absentNeighbour, identity: .world, seenFirst: true),
        dropped(
            "no node for the pod", .noTunnelEndpoint, fromPod(to: TestNode.unknownRemotePod),
            to: TestNode.unknownRemotePod, identity: .world, seenFirst: true),
        dropped(
            "expired, same node", .ttlExceeded, fromPod(to: TestNode.neighbour, ttl: 1), to: TestNode.neighbour,
            identity: TestNode.neighbourIdentity, seenFirst: true, verdict: .pass),
        dropped(
            "expired, other node", .ttlExceeded, fromPod(to: TestNode.remotePod, ttl: 0), to: TestNode.remotePod,
            identity: TestNode.remoteIdentity, seenFirst: true, verdict: .pass),
        dropped(
            "multicast", .unsupportedDestination, fromPod(to: IPv4Address(224, 0, 0, 251)),
            to: IPv4Address(224, 0, 0, 251)),
        dropped(
            "limited broadcast", .unsupportedDestination, fromPod(to: .broadcast), to: .broadcast),
        dropped(
            "UDP header cut short", .truncated, fromPod(to: TestNode.neighbour, [1, 2]),
            to: TestNode.neighbour, transport: nil),
        dropped(
            "TCP header cut short", .truncated,
            fromPod(to: TestNode.neighbour, protocol: 6, Array(Frame.tcp(1, 2, flags: 2).prefix(19))),
            to: TestNode.neighbour, transport: .ports(source: 1, destination: 2)),
        dropped(
            "ICMP header cut short", .truncated, fromPod(to: TestNode.neighbour, protocol: 1, [8, 0, 0, 0]),
            to: TestNode.neighbour, transport: nil),
        dropped(
            "IPv4 header cut short", .truncated, cut(fromPod(to: TestNode.neighbour), to: 33), to: nil, from: nil,
            transport: nil, file: "ipv4.h"),
        dropped(
            "IPv4 longer than the frame", .invalidIPv4Header, cut(fromPod(to: TestNode.neighbour), to: 40),
            to: TestNode.neighbour, transport: nil, file: "ipv4.h"),
        dropped(
            "IPv4 version 5", .invalidIPv4Header, broken(0, 0x55), to: TestNode.neighbour, transport: nil,
            file: "ipv4.h"),
        dropped(
            "IPv4 header of 16 bytes", .invalidIPv4Header, broken(0, 0x44), to: TestNode.neighbour, transport: nil,
            file: "ipv4.h"),
        dropped(
            "IPv4 total length below its header", .invalidIPv4Header, broken(3, 19), to: TestNode.neighbour,
            transport: nil, file: "ipv4.h"),
        dropped(
            "IPv6 unicast", .unsupportedL3, ipv6(firstDestinationByte: 0x20), to: nil, from: nil, transport: nil),
        dropped(
            "VLAN tag", .unsupportedL3,
            Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.vlan, Array(repeating: 0, count: 46)),
            to: nil, from: nil, transport: nil),
    ]

    private static func ipv6(firstDestinationByte: UInt8) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 40)
        header[0] = 0x60
        header[6] = 58
        header[24] = firstDestinationByte
        return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv6, header)
    }

    private static func arp(
        _ operation: UInt16 = 1, sender: IPv4Address = TestNode.pod, target: IPv4Address
    ) -> [UInt8] {
        Frame.ethernet(
            to: TestNode.broadcastMAC, from: TestNode.podMAC, type: Frame.arp,
            Frame.arpPacket(
                operation: operation, senderMAC: TestNode.podMAC, sender: sender, targetMAC: TestNode.noMAC,
                target: target))
    }

    private static let arpReply = Frame.ethernet(
        to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.arp,
        Frame.arpPacket(
            operation: 2, senderMAC: TestNode.podHostMAC, sender: TestNode.router, targetMAC: TestNode.podMAC,
            target: TestNode.pod))

    private static let neighbourDiscovery: [SelftestCase] = [
        SelftestCase(
            name: "ARP for the gateway is answered", program: .fromContainer, packet: arp(target: TestNode.router),
            verdict: .redirect, output: arpReply,
            events: [event(to: TestNode.router, .unknown, transport: nil, connection: nil)]),
        SelftestCase(
            name: "chained: ARP for another plugin's gateway is left to the stack", program: .fromContainer,
            setup: .chained, packet: arp(target: TestNode.neighbour), verdict: .pass,
            output: arp(target: TestNode.neighbour),
            events: [event(to: TestNode.neighbour, .unknown, transport: nil, connection: nil)]),
        SelftestCase(
            name: "chained: an ARP reply is left to the stack", program: .fromContainer, setup: .chained,
            packet: arp(2, target: TestNode.neighbour), verdict: .pass,
            events: [event(to: TestNode.neighbour, .unknown, transport: nil, connection: nil)]),
        SelftestCase(
            name: "chained: ARP for the router is answered", program: .fromContainer, setup: .chained,
            packet: arp(target: TestNode.router), verdict: .redirect, output: arpReply,
            events: [event(to: TestNode.router, .unknown, transport: nil, connection: nil)]),
        SelftestCase(
            name: "gratuitous ARP", program: .fromContainer, packet: arp(target: TestNode.pod), verdict: .drop,
            silent: .neighbourChatter),
        dropped(
            "ARP for another address", .unsupportedARP, arp(target: TestNode.neighbour), to: TestNode.neighbour,
            transport: nil, file: "arp.h"),
        dropped(
            "ARP reply", .unsupportedARP, arp(2, target: TestNode.router), to: TestNode.router, transport: nil,
            file: "arp.h"),
        dropped(
            "ARP with a spoofed sender", .invalidSource, arp(sender: TestNode.neighbour, target: TestNode.router),
            to: TestNode.router, from: TestNode.neighbour, transport: nil, file: "arp.h"),
        dropped(
            "ARP cut short", .truncated, cut(arp(target: TestNode.router), to: 41), to: nil, from: nil, transport: nil,
            file: "arp.h"),
        SelftestCase(
            name: "IPv6 multicast", program: .fromContainer, packet: ipv6(firstDestinationByte: 0xFF), verdict: .drop,
            silent: .neighbourChatter),
    ]

    private static func toPod(
        _ name: String, from source: IPv4Address, to destination: IPv4Address = TestNode.pod, mark: UInt32 = 0,
        identity: Identity, reason: Reason = .forwarded
    ) -> SelftestCase {
        let packet = Frame.ipv4Packet(from: source, to: destination, protocol: 17, udpPayload)
        return SelftestCase(
            name: name, program: .toContainer,
            packet: Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, packet),
            mark: mark,
            verdict: reason.isDrop ? .drop : .pass,
            events: [
                ExpectedEvent(
                    reason: reason, point: .toEndpoint, source: source, destination: destination,
                    sourceIdentity: identity, destinationIdentity: TestNode.podIdentity, transport: ports,
                    connection: reason.isDrop ? nil : .new, file: reason.isDrop ? "lxc.bpf.c" : nil)
            ])
    }

    private static let received: [SelftestCase] = [
        toPod(
            "identity from the mark", from: TestNode.remotePod, mark: 0x1D12_3456,
            identity: Identity(rawValue: 0x123456)),
        toPod("identity of a pod of the node", from: TestNode.neighbour, identity: TestNode.neighbourIdentity),
        toPod("identity from the ipcache", from: TestNode.remotePod, identity: TestNode.remoteIdentity),
        toPod("identity of the node", from: TestNode.router, identity: .host),
        toPod("identity of the world", from: TestNode.world, identity: .world),
        toPod(
            "not the pod's address", from: TestNode.world, to: TestNode.neighbour, identity: .world,
            reason: .unknownEndpoint),
        SelftestCase(
            name: "ARP reply passes", program: .toContainer, packet: arpReply, verdict: .pass,
            events: [ExpectedEvent(point: .toEndpoint, destinationIdentity: TestNode.podIdentity)]),
        SelftestCase(
            name: "IPv6 to a pod", program: .toContainer, packet: ipv6(firstDestinationByte: 0xFF), verdict: .drop,
            events: [
                ExpectedEvent(
                    reason: .unsupportedL3, point: .toEndpoint, destinationIdentity: TestNode.podIdentity,
                    file: "lxc.bpf.c")
            ]),
    ]

    private static func early(
        _ name: String, _ program: TestedProgram, _ setup: SelftestCase.Setup, _ reason: Reason
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: program, setup: setup, packet: fromPod(to: TestNode.neighbour), verdict: .drop,
            events: [ExpectedEvent(reason: reason, point: program.entry.point, file: "lxc.bpf.c")])
    }

    private static let beforeReady: [SelftestCase] = [
        early("no configuration", .fromContainer, .unconfigured, .notConfigured),
        early("no configuration", .toContainer, .unconfigured, .notConfigured),
        early("interface without endpoint", .fromContainer, .unknownInterface, .unknownInterface),
        early("interface without endpoint", .toContainer, .unknownInterface, .unknownInterface),
    ]
}
