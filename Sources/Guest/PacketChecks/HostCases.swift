import Datapath
import DatapathModel
import NetAddress

/// Checks of what the node's stack sends towards pods, and of what its network device receives.
enum HostCases {
    static let all = sent + refused + observed

    private static let ports = EventRecord.Transport.ports(source: 1000, destination: 8080)
    private static let payload = Frame.udp(1000, 8080)

    private static func frame(
        from source: IPv4Address = TestNode.router, to destination: IPv4Address,
        _ mac: MACAddress = TestNode.hostMAC, _ sourceMAC: MACAddress = TestNode.hostMAC
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(from: source, to: destination, protocol: 17, payload)
        return Frame.ethernet(to: mac, from: sourceMAC, type: Frame.ipv4, packet)
    }

    private static func event(
        _ point: TracePoint = .fromHost, _ reason: Reason = .forwarded, from source: IPv4Address = TestNode.router,
        _ sourceIdentity: Identity = .host, to destination: IPv4Address, _ identity: Identity,
        tunnel: IPv4Address? = nil, file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: point, source: source, destination: destination, sourceIdentity: sourceIdentity,
            destinationIdentity: identity, transport: ports, tunnelRemote: tunnel,
            tunnelIdentifier: tunnel == nil ? nil : sourceIdentity.rawValue, file: file)
    }

    private static let sent: [SelftestCase] = [
        SelftestCase(
            name: "to a pod of the node", program: .fromHost, packet: frame(to: TestNode.pod), verdict: .redirect,
            output: frame(to: TestNode.pod, TestNode.podMAC, TestNode.podHostMAC), outputMark: 0x1D00_0001,
            events: [event(to: TestNode.pod, TestNode.podIdentity)]),
        SelftestCase(
            name: "from the world to a pod of the node", program: .fromHost,
            packet: frame(from: TestNode.world, to: TestNode.pod), verdict: .redirect,
            output: frame(from: TestNode.world, to: TestNode.pod, TestNode.podMAC, TestNode.podHostMAC),
            outputMark: 0x1D00_0002,
            events: [event(from: TestNode.world, .world, to: TestNode.pod, TestNode.podIdentity)]),
        SelftestCase(
            name: "to a pod of another node", program: .fromHost, packet: frame(to: TestNode.remotePod),
            verdict: .redirect,
            events: [
                event(to: TestNode.remotePod, TestNode.remoteIdentity),
                event(
                    .toOverlay, .forwarded, .remoteNode, to: TestNode.remotePod, TestNode.remoteIdentity,
                    tunnel: TestNode.otherNode),
            ]),
        SelftestCase(
            name: "to the world", program: .fromHost, packet: frame(to: TestNode.world), verdict: .pass,
            events: [event(to: TestNode.world, .world), event(.toStack, to: TestNode.world, .world)]),
        SelftestCase(
            name: "to itself", program: .fromHost, packet: frame(to: TestNode.node), verdict: .pass,
            events: [event(to: TestNode.node, .host), event(.toStack, to: TestNode.node, .host)]),
        SelftestCase(
            name: "ARP passes", program: .fromHost,
            packet: Frame.ethernet(
                to: TestNode.broadcastMAC, from: TestNode.hostMAC, type: Frame.arp, Array(repeating: 0, count: 46)),
            verdict: .pass),
    ]

    private static let refused: [SelftestCase] = [
        SelftestCase(
            name: "no such pod", program: .fromHost, packet: frame(to: TestNode.absentNeighbour), verdict: .drop,
            events: [
                event(to: TestNode.absentNeighbour, .world),
                event(.fromHost, .unknownEndpoint, to: TestNode.absentNeighbour, .world, file: "host.bpf.c"),
            ]),
        SelftestCase(
            name: "no node for the pod", program: .fromHost, packet: frame(to: TestNode.unknownRemotePod),
            verdict: .drop,
            events: [
                event(to: TestNode.unknownRemotePod, .world),
                event(.fromHost, .noTunnelEndpoint, to: TestNode.unknownRemotePod, .world, file: "host.bpf.c"),
            ]),
        SelftestCase(
            name: "IPv4 header cut short", program: .fromHost, packet: Array(frame(to: TestNode.pod).prefix(33)),
            verdict: .drop, events: [ExpectedEvent(reason: .truncated, point: .fromHost, file: "ipv4.h")]),
        SelftestCase(
            name: "no configuration", program: .fromHost, setup: .unconfigured, packet: frame(to: TestNode.pod),
            verdict: .drop, events: [ExpectedEvent(reason: .notConfigured, point: .fromHost, file: "host.bpf.c")]),
    ]

    /// The packet as the other node's VXLAN device sends it.
    private static func encapsulated(port: UInt16) -> [UInt8] {
        let inner = Frame.ipv4Packet(from: TestNode.remotePod, to: TestNode.pod, protocol: 17, payload)
        let frame = Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, inner)
        let datagram = Frame.udp(54_321, port, Frame.vxlan(identifier: TestNode.remoteIdentity.rawValue, frame))
        let outer = Frame.ipv4Packet(from: TestNode.otherNode, to: TestNode.node, protocol: 17, datagram)
        return Frame.ethernet(to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, outer)
    }

    private static let observed: [SelftestCase] = [
        SelftestCase(
            name: "VXLAN shows the packet inside", program: .fromNetdev, packet: encapsulated(port: 8472),
            verdict: .pass,
            events: [
                ExpectedEvent(
                    point: .fromNetwork, source: TestNode.remotePod, destination: TestNode.pod,
                    sourceIdentity: TestNode.remoteIdentity, transport: ports, tunnelRemote: TestNode.otherNode,
                    tunnelIdentifier: TestNode.remoteIdentity.rawValue)
            ]),
        SelftestCase(
            name: "another UDP port shows the packet outside", program: .fromNetdev, packet: encapsulated(port: 4789),
            verdict: .pass,
            events: [
                ExpectedEvent(
                    point: .fromNetwork, source: TestNode.otherNode, destination: TestNode.node,
                    transport: .ports(source: 54_321, destination: 4789))
            ]),
        SelftestCase(
            name: "VXLAN cut short shows the packet outside", program: .fromNetdev,
            packet: Array(encapsulated(port: 8472).prefix(70)), verdict: .pass,
            events: [
                ExpectedEvent(
                    point: .fromNetwork, source: TestNode.otherNode, destination: TestNode.node,
                    transport: .ports(source: 54_321, destination: 8472))
            ]),
        SelftestCase(
            name: "ARP", program: .fromNetdev,
            packet: Frame.ethernet(
                to: TestNode.broadcastMAC, from: TestNode.foreignMAC, type: Frame.arp, Array(repeating: 0, count: 46)),
            verdict: .pass, events: [ExpectedEvent(point: .fromNetwork)]),
        SelftestCase(
            name: "quiet: counted, not traced", program: .fromNetdev, setup: .quiet,
            packet: encapsulated(port: 8472), verdict: .pass, events: [ExpectedEvent(point: .fromNetwork)]),
        SelftestCase(
            name: "no configuration: the node keeps its network", program: .fromNetdev, setup: .unconfigured,
            packet: encapsulated(port: 8472), verdict: .pass),
    ]
}
