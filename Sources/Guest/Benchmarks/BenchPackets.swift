import Datapath
import DatapathModel
import NetAddress
import PacketChecks

/// The packets of the paths that are measured. They are 64-octet frames of known connections, unless a step says
/// otherwise.
enum BenchPackets {
    private static let payload = [UInt8](repeating: 0x4C, count: 64 - 14 - 20 - 8)

    private static func frame(
        from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address, _ port: UInt16
    ) -> [UInt8] {
        Frame.ethernet(
            to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4,
            Frame.ipv4Packet(
                from: source, to: destination, protocol: TestServices.udp,
                Frame.udp(from: source, sourcePort, to: destination, port, payload)))
    }

    /// A packet from the pod to any destination.
    static func leaving(to destination: IPv4Address, _ verdict: Verdict, port: UInt16 = 8080) -> BenchStep {
        BenchStep(
            program: .fromContainer, frame: frame(from: TestNode.pod, 40_000, to: destination, port), verdict: verdict)
    }

    /// A packet to a pod of the same node, including its delivery.
    static let sameNode = leaving(to: TestNode.neighbour, .redirect)

    static let toOverlay = [
        leaving(to: TestNode.remotePod, .redirect),
        BenchStep(
            program: .toOverlay, frame: frame(from: TestNode.pod, 40_000, to: TestNode.remotePod, 8080),
            tunnelIdentifier: TestNode.podIdentity.rawValue, verdict: .pass),
    ]

    static let fromOverlay = BenchStep(
        program: .fromOverlay, frame: frame(from: TestNode.remotePod, 40_001, to: TestNode.pod, 8080),
        tunnelIdentifier: TestNode.remoteIdentity.rawValue, verdict: .redirect)

    /// A packet to the world under the node's address.
    static let masquerade = [
        leaving(to: TestNode.world, .pass, port: NATCases.dns),
        BenchStep(
            program: .toNetdev, frame: frame(from: TestNode.pod, 40_000, to: TestNode.world, NATCases.dns),
            verdict: .pass),
    ]

    /// The answer to it.
    static let answer = BenchStep(
        program: .fromNetdev, frame: frame(from: TestNode.world, NATCases.dns, to: TestNode.node, 40_000),
        verdict: .redirect)

    static let service = leaving(to: TestServices.remote, .redirect, port: TestServices.port)

    /// Every packet is the first of a connection, so that policy is asked about it.
    static func opening(allowed: Bool) -> BenchStep {
        var step = leaving(to: allowed ? TestNode.remotePod : TestNode.neighbour, allowed ? .redirect : .drop)
        step.variesSourcePort = true
        return step
    }
}
