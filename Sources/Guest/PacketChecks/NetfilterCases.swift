import Datapath
import DatapathModel
import NetAddress

/// Checks of flows that netfilter translates where kube-proxy serves. A pod's packet that comes out of the stack opens
/// one, and its answer goes to the stack again.
enum NetfilterCases {
    static let all = [opened, openedToRemote, answeredHere, answeredFromOverlay, answeredByNobody]

    private static let udp: UInt8 = 17
    private static let payload = Frame.udp(40_000, 8080)
    private static let answer = Frame.udp(8080, 40_000)
    private static let ports = EventRecord.Transport.ports(source: 40_000, destination: 8080)
    private static let back = EventRecord.Transport.ports(source: 8080, destination: 40_000)
    private static let identifier = TestNode.remoteIdentity.rawValue

    private static func packet(
        from source: IPv4Address, to destination: IPv4Address, ttl: UInt8 = 64, _ mac: MACAddress,
        _ sourceMAC: MACAddress, _ transport: [UInt8] = payload
    ) -> [UInt8] {
        Frame.ethernet(
            to: mac, from: sourceMAC, type: Frame.ipv4,
            Frame.ipv4Packet(from: source, to: destination, protocol: udp, ttl: ttl, transport))
    }

    private static func flow(
        to destination: IPv4Address, _ state: ConnectionState = .opening, _ flags: ConnectionEntry.Flags = []
    ) -> TestConnection {
        TestConnection(
            key: ConnectionKey(from: TestNode.pod, 40_000, to: destination, 8080, protocol: udp, .netfilter),
            state: state, flags: flags, seconds: 60, identity: TestNode.podIdentity)
    }

    private static let opened = SelftestCase(
        name: "a translated packet to a pod of the node is remembered", program: .fromHost,
        packet: packet(from: TestNode.pod, to: TestNode.neighbour, TestNode.hostMAC, TestNode.hostMAC),
        verdict: .redirect,
        output: packet(from: TestNode.pod, to: TestNode.neighbour, TestNode.neighbourMAC, TestNode.neighbourHostMAC),
        outputMark: 0x1D00_0000 | TestNode.podIdentity.rawValue,
        events: [
            ExpectedEvent(
                point: .fromHost, source: TestNode.pod, destination: TestNode.neighbour,
                sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.neighbourIdentity, transport: ports)
        ], connectionsAfter: [flow(to: TestNode.neighbour)])

    private static let openedToRemote = SelftestCase(
        name: "a translated packet to a pod of another node is remembered", program: .fromHost,
        packet: packet(from: TestNode.pod, to: TestNode.remotePod, TestNode.hostMAC, TestNode.hostMAC),
        verdict: .redirect,
        events: [
            ExpectedEvent(
                point: .fromHost, source: TestNode.pod, destination: TestNode.remotePod,
                sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.remoteIdentity, transport: ports),
            ExpectedEvent(
                point: .toOverlay, source: TestNode.pod, destination: TestNode.remotePod,
                sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.remoteIdentity, transport: ports,
                tunnelRemote: TestNode.otherNode, tunnelIdentifier: TestNode.podIdentity.rawValue),
        ], connectionsAfter: [flow(to: TestNode.remotePod)])

    /// The flow as seen from the answering pod, which is `pod`. The caller is its neighbour.
    private static let answeredHere = SelftestCase(
        name: "the answer to a translated call by a pod of the node goes to the stack", program: .fromContainer,
        packet: packet(from: TestNode.pod, to: TestNode.neighbour, TestNode.podHostMAC, TestNode.podMAC),
        verdict: .pass,
        events: [.fromEndpoint, .toStack].map {
            ExpectedEvent(
                point: $0, source: TestNode.pod, destination: TestNode.neighbour,
                sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.neighbourIdentity, transport: ports,
                connection: .reply)
        },
        connections: [
            TestConnection(
                key: ConnectionKey(from: TestNode.neighbour, 8080, to: TestNode.pod, 40_000, protocol: udp, .ingress),
                seconds: 60, identity: TestNode.neighbourIdentity),
            TestConnection(
                key: ConnectionKey(from: TestNode.neighbour, 8080, to: TestNode.pod, 40_000, protocol: udp, .netfilter),
                seconds: 60, identity: TestNode.neighbourIdentity),
        ])

    private static let answeredFromOverlay = SelftestCase(
        name: "the answer to a translated call from another node goes to the stack", program: .fromOverlay,
        packet: packet(
            from: TestNode.remotePod, to: TestNode.pod, TestNode.podHostMAC, TestNode.foreignMAC, answer),
        tunnelIdentifier: identifier, verdict: .redirect,
        output: packet(from: TestNode.remotePod, to: TestNode.pod, TestNode.hostMAC, TestNode.hostMAC, answer),
        events: [TracePoint.fromOverlay, .toHost].map {
            ExpectedEvent(
                point: $0, source: TestNode.remotePod, destination: TestNode.pod,
                sourceIdentity: TestNode.remoteIdentity, destinationIdentity: TestNode.podIdentity, transport: back,
                tunnelRemote: .any, tunnelIdentifier: identifier)
        },
        connections: [flow(to: TestNode.remotePod)],
        connectionsAfter: [flow(to: TestNode.remotePod, .established, .replied)])

    private static let answeredByNobody = SelftestCase(
        name: "with services by the datapath nothing is remembered for netfilter", program: .fromHost, setup: .services,
        packet: packet(from: TestNode.pod, to: TestNode.neighbour, TestNode.hostMAC, TestNode.hostMAC),
        verdict: .redirect,
        output: packet(from: TestNode.pod, to: TestNode.neighbour, TestNode.neighbourMAC, TestNode.neighbourHostMAC),
        outputMark: 0x1D00_0000 | TestNode.podIdentity.rawValue,
        events: [
            ExpectedEvent(
                point: .fromHost, source: TestNode.pod, destination: TestNode.neighbour,
                sourceIdentity: TestNode.podIdentity, destinationIdentity: TestNode.neighbourIdentity, transport: ports)
        ], connectionsAfter: [])
}
