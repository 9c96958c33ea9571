import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress

/// Shows what a test run cannot: the filters on virtual interfaces in a network namespace made for it, the frames that
/// leave and arrive encapsulated, and the stack's ICMP errors.
enum WireTest {
    static let patience: Int32 = 2000
    private static let payload = Frame.udp(40_000, 8080)
    /// Ethernet, IPv4, UDP, VXLAN or Geneve: then the frame inside.
    private static let tunnelHeaders = 14 + 20 + 8 + 8

    /// Returns the problems found.
    static func problems(_ tunnel: TunnelProtocol, isDelivered: Bool = false) throws -> [String] {
        try NetworkNamespace.create().run {
            let node = try WireNode.make(tunnel, isDelivered: isDelivered)
            var problems = node.problems
            problems += try send(node, tunnel)
            problems += try receive(node, tunnel)
            problems += try expire(node, tunnel)
            problems += try sendTooLong(node)
            problems += try receiveTooLong(node, tunnel)
            problems += try detach(node)
            return problems
        }
    }

    /// The pod sends to a pod of another node. The frame on the wire is compared.
    private static func send(_ node: borrowing WireNode, _ tunnel: TunnelProtocol) throws -> [String] {
        try node.podSocket.send(fromPod(ttl: 64, payload))
        guard let seen = try node.wireSocket.receive(within: patience, where: { inner($0, tunnel) != nil }) else {
            return ["no encapsulated packet left the node within \(patience) ms"]
        }
        var problems: [String] = []
        if Array(seen[30..<34]) != TestNode.otherNode.octets { problems.append("sent to another node") }
        let identifier = UInt32(seen[46]) << 16 | UInt32(seen[47]) << 8 | UInt32(seen[48])
        if identifier != TestNode.podIdentity.rawValue { problems.append("VNI \(identifier)") }
        if inner(seen, tunnel) != fromPod(ttl: 63, payload) { problems.append("the packet inside is another") }
        return problems
    }

    /// A pod of another node sends. The frame that the pod receives is compared.
    private static func receive(_ node: borrowing WireNode, _ tunnel: TunnelProtocol) throws -> [String] {
        try node.wireSocket.send(encapsulated(toPod(ttl: 63, payload), tunnel))
        let expected = Frame.ethernet(
            to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, toPod(ttl: 62, payload))
        let seen = try node.podSocket.receive(within: patience) { $0 == expected }
        return seen == nil ? ["the pod did not receive the packet out of the overlay within \(patience) ms"] : []
    }

    /// The same with no hop left: the router's ICMP time exceeded (RFC 792, type 11) goes back through the overlay.
    private static func expire(_ node: borrowing WireNode, _ tunnel: TunnelProtocol) throws -> [String] {
        try node.wireSocket.send(encapsulated(toPod(ttl: 1, payload), tunnel))
        let seen = try node.wireSocket.receive(within: patience) { frame in
            guard let frame = inner(frame, tunnel) else { return false }
            return ICMPError(frame) == ICMPError(type: 11, code: 0, to: TestNode.remotePod)
        }
        return seen == nil ? ["no ICMP error for a packet that expired behind the tunnel within \(patience) ms"] : []
    }

    /// Longer than the route takes and not to be fragmented: ICMP fragmentation needed (RFC 1191) reaches the pod.
    static func sendTooLong(_ node: borrowing WireNode) throws -> [String] {
        try node.podSocket.send(fromPod(ttl: 64, fragment: 0x4000, long))
        let expected = ICMPError(type: 3, code: 4, nextHopMTU: TestNode.narrowMTU, to: TestNode.pod)
        let seen = try node.podSocket.receive(within: patience) { ICMPError($0) == expected }
        return seen == nil ? ["no ICMP fragmentation needed reached the pod within \(patience) ms"] : []
    }

    /// The same from another node, whose pods may send longer packets: the error goes back through the overlay.
    private static func receiveTooLong(_ node: borrowing WireNode, _ tunnel: TunnelProtocol) throws -> [String] {
        try node.wireSocket.send(encapsulated(toPod(ttl: 63, fragment: 0x4000, long), tunnel))
        let expected = ICMPError(type: 3, code: 4, nextHopMTU: TestNode.narrowMTU, to: TestNode.remotePod)
        let seen = try node.wireSocket.receive(within: patience) { frame in
            inner(frame, tunnel).map { ICMPError($0) == expected } ?? false
        }
        return seen == nil ? ["no ICMP fragmentation needed went back through the tunnel within \(patience) ms"] : []
    }

    private static func detach(_ node: borrowing WireNode) throws -> [String] {
        let interface = node.podInterface
        guard try TrafficControl.detach(interface: interface, .ingress),
            try TrafficControl.attachedProgram(interface: interface, .ingress) == nil
        else { return ["the filter is still there after detaching"] }
        return []
    }

    // MARK: Frames

    private static let long = Frame.udp(40_000, 8080, Array(repeating: 0x4C, count: TestNode.narrowMTU))

    static func fromPod(ttl: UInt8, fragment: UInt16 = 0, _ payload: [UInt8]) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.pod, to: TestNode.remotePod, protocol: 17, ttl: ttl, fragment: fragment, payload)
        return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet)
    }

    static func toPod(ttl: UInt8, fragment: UInt16 = 0, _ payload: [UInt8]) -> [UInt8] {
        Frame.ipv4Packet(
            from: TestNode.remotePod, to: TestNode.pod, protocol: 17, ttl: ttl, fragment: fragment, payload)
    }

    /// The packet as the other node sends it.
    private static func encapsulated(_ packet: [UInt8], _ tunnel: TunnelProtocol) -> [UInt8] {
        let inner = Frame.ethernet(
            to: TestNode.neighbourMAC, from: TestNode.neighbourHostMAC, type: Frame.ipv4, packet)
        let header = Frame.tunnel(tunnel, identifier: TestNode.remoteIdentity.rawValue, inner)
        let outer = Frame.ipv4Packet(
            from: TestNode.otherNode, to: TestNode.node, protocol: 17,
            Frame.udp(50_000, tunnel.standardPort, header))
        return Frame.ethernet(to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, outer)
    }

    /// The frame inside one that this node sent through the tunnel. It is nil for every other frame.
    private static func inner(_ frame: [UInt8], _ tunnel: TunnelProtocol) -> [UInt8]? {
        guard frame.count > tunnelHeaders, frame[23] == 17, Array(frame[26..<30]) == TestNode.node.octets,
            UInt16(frame[36]) << 8 | UInt16(frame[37]) == tunnel.standardPort,
            Array(frame[42..<46]) == Array(Frame.tunnel(tunnel, identifier: 0, []).prefix(4))
        else { return nil }
        return Array(frame.dropFirst(tunnelHeaders))
    }
}

/// The content of an ICMP error of the node's router (RFC 792, RFC 1191).
struct ICMPError: Equatable {
    let type: UInt8
    let code: UInt8
    /// The MTU of "fragmentation needed", and 0 for other errors.
    let nextHopMTU: Int
    let destination: IPv4Address

    init(type: UInt8, code: UInt8, nextHopMTU: Int = 0, to destination: IPv4Address) {
        self.type = type
        self.code = code
        self.nextHopMTU = nextHopMTU
        self.destination = destination
    }

    /// The result is nil unless the Ethernet frame is an ICMP message from the router.
    init?(_ frame: [UInt8]) {
        guard frame.count >= 42, frame[14] == 0x45, frame[23] == 1, Array(frame[26..<30]) == TestNode.router.octets
        else { return nil }
        type = frame[34]
        code = frame[35]
        nextHopMTU = Int(frame[40]) << 8 | Int(frame[41])
        destination = IPv4Address(frame[30], frame[31], frame[32], frame[33])
    }
}
