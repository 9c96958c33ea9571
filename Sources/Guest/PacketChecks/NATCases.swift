import Datapath
import DatapathModel
import NetAddress

/// Packets and expectations that the cases of both directions share. `Flow` is a packet of a pod (or of the node) to
/// the world. Its answer has the ends exchanged.
package enum NATCases {
    static let all = MasqueradeCases.all + MasqueradeRefusedCases.all + MasqueradeAnswerCases.all

    static let port: UInt16 = 40_853
    package static let dns: UInt16 = 53

    enum Transport: Sendable {
        case udp
        case udpWithoutChecksum
        case tcp(flags: UInt8)
        case echo
    }

    /// An IPv4 packet. For an echo, the near side's port is the identifier.
    static func packet(
        _ transport: Transport, from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address,
        _ destinationPort: UInt16, ttl: UInt8 = 64, isAnswer: Bool = false, payload: [UInt8] = Array("labrun!".utf8)
    ) -> [UInt8] {
        func ip(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
            Frame.ipv4Packet(from: source, to: destination, protocol: number, ttl: ttl, payload)
        }
        switch transport {
        case .udp:
            return ip(17, Frame.udp(from: source, sourcePort, to: destination, destinationPort, payload))
        case .udpWithoutChecksum:
            return ip(17, Frame.udp(sourcePort, destinationPort, payload))
        case .tcp(let flags):
            return ip(6, Frame.tcp(from: source, sourcePort, to: destination, destinationPort, flags: flags, payload))
        case .echo:
            let identifier = isAnswer ? destinationPort : sourcePort
            let words = [UInt8(identifier >> 8), UInt8(identifier & 0xFF), 0, 7]
            return ip(1, Frame.icmp(type: isAnswer ? 0 : 8, rest: words + payload))
        }
    }

    /// The packet as the node sends it on its network.
    static func leaving(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.foreignMAC, from: TestNode.hostMAC, type: Frame.ipv4, packet)
    }

    /// The packet as the node receives it.
    static func arriving(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, packet)
    }

    /// The packet as it goes to the pod.
    static func delivered(_ packet: [UInt8]) -> [UInt8] {
        Frame.ethernet(to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, packet)
    }

    static func question(
        _ transport: Transport, from source: IPv4Address = TestNode.pod, _ sourcePort: UInt16 = port,
        payload: [UInt8] = Array("labrun!".utf8)
    ) -> [UInt8] {
        packet(transport, from: source, sourcePort, to: TestNode.world, dns, payload: payload)
    }

    static func answer(
        _ transport: Transport, to destination: IPv4Address = TestNode.node, _ destinationPort: UInt16 = port,
        ttl: UInt8 = 64, payload: [UInt8] = Array("labrun!".utf8)
    ) -> [UInt8] {
        packet(
            transport, from: TestNode.world, dns, to: destination, destinationPort, ttl: ttl, isAnswer: true,
            payload: payload)
    }

    /// The ports as an event shows them.
    static func shown(_ transport: Transport, _ source: UInt16, _ destination: UInt16, isAnswer: Bool = false)
        -> EventRecord.Transport
    {
        guard case .echo = transport else { return .ports(source: source, destination: destination) }
        return .icmp(type: isAnswer ? 0 : 8, code: 0, identifier: isAnswer ? destination : source, sequence: 7)
    }

    static func sent(
        from source: IPv4Address = TestNode.node, _ identity: Identity = TestNode.podIdentity,
        to destination: IPv4Address = TestNode.world, _ destinationIdentity: Identity = .world,
        transport: EventRecord.Transport? = .ports(source: port, destination: dns)
    ) -> ExpectedEvent {
        ExpectedEvent(
            point: .toNetwork, source: source, destination: destination, sourceIdentity: identity,
            destinationIdentity: destinationIdentity, transport: transport)
    }

    static func dropped(
        _ reason: Reason, from source: IPv4Address = TestNode.pod, to destination: IPv4Address = TestNode.world,
        _ transport: EventRecord.Transport? = .ports(source: port, destination: dns)
    ) -> ExpectedEvent {
        ExpectedEvent(
            reason: reason, point: .toNetwork, source: source, destination: destination, transport: transport,
            file: "masquerade.h")
    }

    static func received(
        from source: IPv4Address = TestNode.world, to destination: IPv4Address = TestNode.node,
        _ transport: EventRecord.Transport? = .ports(source: dns, destination: port)
    ) -> ExpectedEvent {
        ExpectedEvent(point: .fromNetwork, source: source, destination: destination, transport: transport)
    }

    static func fragment(
        _ payload: [UInt8], from source: IPv4Address, to destination: IPv4Address, field: UInt16, ttl: UInt8 = 64
    ) -> [UInt8] {
        Frame.ipv4Packet(from: source, to: destination, protocol: 17, ttl: ttl, fragment: field, payload)
    }
}
