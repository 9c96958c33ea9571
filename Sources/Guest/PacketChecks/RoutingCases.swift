import Datapath
import DatapathModel
import NetAddress

/// Checks of ways to other nodes apart from the overlay's usual one: native routing, and packets that are too long.
enum RoutingCases {
    static let all = tooLong + native

    /// The flag "don't fragment" (RFC 791).
    private static let whole: UInt16 = 0x4000
    private static let ports = EventRecord.Transport.ports(source: 40_000, destination: 8080)
    private static let long = Frame.udp(40_000, 8080, Array(repeating: 0x4C, count: TestNode.narrowMTU))
    private static let identifier = TestNode.remoteIdentity.rawValue

    private static func fromPod(
        to destination: IPv4Address, fragment: UInt16 = 0, _ payload: [UInt8]
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.pod, to: destination, protocol: 17, fragment: fragment, payload)
        return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet)
    }

    private static func overlayPacket(
        fragment: UInt16, to mac: MACAddress, from sourceMAC: MACAddress
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.remotePod, to: TestNode.pod, protocol: 17, fragment: fragment, long)
        return Frame.ethernet(to: mac, from: sourceMAC, type: Frame.ipv4, packet)
    }

    private static func sent(
        _ point: TracePoint = .fromEndpoint, _ reason: Reason = .forwarded, file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: point, source: TestNode.pod, destination: TestNode.remotePod,
            sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.remoteIdentity, transport: ports,
            connection: .new, file: file)
    }

    private static func received(_ reason: Reason = .forwarded, file: String? = nil) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: .fromOverlay, source: TestNode.remotePod, destination: TestNode.pod,
            sourceIdentity: TestNode.remoteIdentity, destinationIdentity: TestNode.podIdentity, transport: ports,
            tunnelRemote: .any, tunnelIdentifier: identifier, file: file)
    }

    private static let tooLong: [SelftestCase] = [
        SelftestCase(
            name: "too long for the overlay and not to be fragmented, left to the stack for its ICMP error",
            program: .fromContainer, setup: .narrow, packet: fromPod(to: TestNode.remotePod, fragment: whole, long),
            verdict: .pass,
            events: [sent(), sent(.fromEndpoint, .fragmentationNeeded, file: "path_mtu.h")]),
        SelftestCase(
            name: "too long for the overlay, left to the stack to fragment", program: .fromContainer, setup: .narrow,
            packet: fromPod(to: TestNode.remotePod, long), verdict: .pass, events: [sent(), sent(.toStack)]),
        SelftestCase(
            name: "too long for the pod and not to be fragmented", program: .fromOverlay, setup: .narrow,
            packet: overlayPacket(fragment: whole, to: TestNode.podHostMAC, from: TestNode.foreignMAC),
            tunnelIdentifier: identifier, verdict: .redirect,
            output: overlayPacket(fragment: whole, to: TestNode.hostMAC, from: TestNode.hostMAC),
            events: [received(), received(.fragmentationNeeded, file: "path_mtu.h")]),
        SelftestCase(
            name: "too long for the pod, left to the stack to fragment", program: .fromOverlay, setup: .narrow,
            packet: overlayPacket(fragment: 0, to: TestNode.podHostMAC, from: TestNode.foreignMAC),
            tunnelIdentifier: identifier, verdict: .redirect,
            output: overlayPacket(fragment: 0, to: TestNode.hostMAC, from: TestNode.hostMAC), events: [received()]),
    ]

    /// The namespace of the self-test has no routes, so the kernel's tables decide nothing.
    private static let native: [SelftestCase] = [
        SelftestCase(
            name: "native routing without a route is left to the stack", program: .fromContainer, setup: .native,
            packet: fromPod(to: TestNode.unknownRemotePod, Frame.udp(40_000, 8080)), verdict: .pass,
            events: [.fromEndpoint, .toStack].map {
                ExpectedEvent(
                    point: $0, source: TestNode.pod, destination: TestNode.unknownRemotePod,
                    sourceIdentity: TestNode.podIdentity, destinationIdentity: .world, transport: ports,
                    connection: .new)
            })
    ]
}
