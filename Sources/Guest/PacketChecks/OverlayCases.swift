import Datapath
import DatapathModel
import NetAddress

/// Checks of what leaves through the VXLAN device and of what arrives by it.
enum OverlayCases {
    static let all = delivered + refused + sent

    private static let ports = EventRecord.Transport.ports(source: 8080, destination: 40_000)
    private static let payload = Frame.udp(8080, 40_000)
    private static let identifier = TestNode.remoteIdentity.rawValue

    private static func inner(to destination: IPv4Address, ttl: UInt8 = 63) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.remotePod, to: destination, protocol: 17, ttl: ttl, payload)
        return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, packet)
    }

    private static func rewritten(
        to destination: IPv4Address, ttl: UInt8, _ mac: MACAddress, _ source: MACAddress
    ) -> [UInt8] {
        let packet = Frame.ipv4Packet(
            from: TestNode.remotePod, to: destination, protocol: 17, ttl: ttl, payload)
        return Frame.ethernet(to: mac, from: source, type: Frame.ipv4, packet)
    }

    /// The remote address is 0.0.0.0, because the kernel reports it only for packets that a device received.
    private static func event(
        _ point: TracePoint = .fromOverlay, _ reason: Reason = .forwarded, to destination: IPv4Address?,
        _ identity: Identity, source: Identity = TestNode.remoteIdentity, file: String? = nil
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: point, source: destination == nil ? nil : TestNode.remotePod,
            destination: destination, sourceIdentity: source, destinationIdentity: identity,
            transport: destination == nil ? nil : ports, tunnelRemote: .any, tunnelIdentifier: source.rawValue,
            file: file)
    }

    private static let delivered: [SelftestCase] = [
        SelftestCase(
            name: "to a pod of the node", program: .fromOverlay, packet: inner(to: TestNode.pod),
            tunnelIdentifier: identifier, verdict: .redirect,
            output: rewritten(to: TestNode.pod, ttl: 62, TestNode.podMAC, TestNode.podHostMAC),
            outputMark: 0x1D00_0000 | identifier, events: [event(to: TestNode.pod, TestNode.podIdentity)]),
        SelftestCase(
            name: "to the router address", program: .fromOverlay, packet: inner(to: TestNode.router),
            tunnelIdentifier: identifier, verdict: .redirect,
            output: rewritten(to: TestNode.router, ttl: 63, TestNode.hostMAC, TestNode.hostMAC),
            events: [event(to: TestNode.router, .host), event(.toHost, to: TestNode.router, .host)]),
    ]

    private static let refused: [SelftestCase] = [
        SelftestCase(
            name: "no such pod", program: .fromOverlay, packet: inner(to: TestNode.absentNeighbour),
            tunnelIdentifier: identifier, verdict: .drop,
            events: [
                event(to: TestNode.absentNeighbour, .unknown),
                event(.fromOverlay, .unknownEndpoint, to: TestNode.absentNeighbour, .unknown, file: "overlay.bpf.c"),
            ]),
        SelftestCase(
            name: "expired, left to the stack for its ICMP error", program: .fromOverlay,
            packet: inner(to: TestNode.pod, ttl: 1), tunnelIdentifier: identifier, verdict: .redirect,
            output: rewritten(to: TestNode.pod, ttl: 1, TestNode.hostMAC, TestNode.hostMAC),
            events: [
                event(to: TestNode.pod, TestNode.podIdentity),
                event(.fromOverlay, .ttlExceeded, to: TestNode.pod, TestNode.podIdentity, file: "overlay.bpf.c"),
            ]),
        SelftestCase(
            name: "claims to be this host", program: .fromOverlay, packet: inner(to: TestNode.pod),
            tunnelIdentifier: Identity.host.rawValue, verdict: .drop,
            events: [
                event(
                    .fromOverlay, .invalidIdentity, to: TestNode.pod, TestNode.podIdentity, source: .host,
                    file: "overlay.bpf.c")
            ]),
        SelftestCase(
            name: "claims no identity", program: .fromOverlay, packet: inner(to: TestNode.pod), tunnelIdentifier: 0,
            verdict: .drop,
            events: [
                event(
                    .fromOverlay, .invalidIdentity, to: TestNode.pod, TestNode.podIdentity, source: .unknown,
                    file: "overlay.bpf.c")
            ]),
        SelftestCase(
            name: "claims an address range that each node numbers for itself", program: .fromOverlay,
            packet: inner(to: TestNode.pod), tunnelIdentifier: Identity.localRange.lowerBound, verdict: .drop,
            events: [
                event(
                    .fromOverlay, .invalidIdentity, to: TestNode.pod, TestNode.podIdentity,
                    source: Identity(rawValue: Identity.localRange.lowerBound), file: "overlay.bpf.c")
            ]),
        SelftestCase(
            name: "ARP", program: .fromOverlay,
            packet: Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.foreignMAC, type: Frame.arp, Array(repeating: 0, count: 46)),
            tunnelIdentifier: identifier, verdict: .drop,
            events: [event(.fromOverlay, .unsupportedL3, to: nil, .unknown, file: "overlay.bpf.c")]),
        SelftestCase(
            name: "IPv4 header cut short", program: .fromOverlay, packet: Array(inner(to: TestNode.pod).prefix(33)),
            tunnelIdentifier: identifier, verdict: .drop,
            events: [event(.fromOverlay, .truncated, to: nil, .unknown, file: "ipv4.h")]),
        SelftestCase(
            name: "no tunnel key", program: .fromOverlay, packet: inner(to: TestNode.pod), verdict: .drop,
            events: [ExpectedEvent(reason: .noTunnelKey, point: .fromOverlay, file: "overlay.bpf.c")]),
        SelftestCase(
            name: "no configuration", program: .fromOverlay, setup: .unconfigured, packet: inner(to: TestNode.pod),
            tunnelIdentifier: identifier, verdict: .drop,
            events: [ExpectedEvent(reason: .notConfigured, point: .fromOverlay, file: "overlay.bpf.c")]),
    ]

    private static let sent: [SelftestCase] = [
        SelftestCase(
            name: "with a tunnel key", program: .toOverlay, packet: inner(to: TestNode.remotePod),
            tunnelIdentifier: identifier, verdict: .pass),
        SelftestCase(
            name: "without a tunnel key", program: .toOverlay, packet: inner(to: TestNode.remotePod), verdict: .drop,
            events: [ExpectedEvent(reason: .noTunnelKey, point: .toOverlay, file: "overlay.bpf.c")]),
    ]
}
