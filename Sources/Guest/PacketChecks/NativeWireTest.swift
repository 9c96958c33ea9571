import Datapath
import DatapathModel
import LinuxKernel
import NetAddress

/// Checks native routing on virtual interfaces. The kernel's tables decide there, so a test run cannot show it.
enum NativeWireTest {
    private static let payload = Frame.udp(40_000, 8080)

    static func problems() throws -> [String] {
        try NetworkNamespace.create().run {
            let node = try WireNode.make(nil)
            return try node.problems + send(node) + receive(node) + WireTest.sendTooLong(node) + receiveError(node)
        }
    }

    /// A packet goes to the other node's address on the wire without encapsulation, with a TTL lower by one.
    private static func send(_ node: borrowing WireNode) throws -> [String] {
        try node.podSocket.send(WireTest.fromPod(ttl: 64, payload))
        var expected = WireTest.fromPod(ttl: 63, payload)
        expected.replaceSubrange(0..<12, with: TestNode.foreignMAC.octets + TestNode.hostMAC.octets)
        let seen = try node.wireSocket.receive(within: WireTest.patience) { $0 == expected }
        return seen == nil ? ["no packet left the node by its route within \(WireTest.patience) ms"] : []
    }

    private static func receive(_ node: borrowing WireNode) throws -> [String] {
        try deliver(WireTest.toPod(ttl: 63, payload), expecting: WireTest.toPod(ttl: 62, payload), node)
            ? [] : ["the pod did not receive the packet of another node within \(WireTest.patience) ms"]
    }

    /// A router of the network reports a narrower path (RFC 1191). The pod must get the report.
    private static func receiveError(_ node: borrowing WireNode) throws -> [String] {
        let about = Array(WireTest.fromPod(ttl: 60, payload).dropFirst(14))
        func error(ttl: UInt8) -> [UInt8] {
            Frame.ipv4Packet(
                from: IPv4Address(10, 0, 0, 1), to: TestNode.pod, protocol: 1, ttl: ttl,
                Frame.icmpError(type: 3, code: 4, nextHopMTU: 1024, about))
        }
        return try deliver(error(ttl: 64), expecting: error(ttl: 63), node)
            ? [] : ["a router's ICMP fragmentation needed did not reach the pod within \(WireTest.patience) ms"]
    }

    private static func deliver(
        _ packet: [UInt8], expecting delivered: [UInt8], _ node: borrowing WireNode
    ) throws -> Bool {
        try node.wireSocket.send(
            Frame.ethernet(to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, packet))
        let expected = Frame.ethernet(
            to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, delivered)
        return try node.podSocket.receive(within: WireTest.patience) { $0 == expected } != nil
    }
}
