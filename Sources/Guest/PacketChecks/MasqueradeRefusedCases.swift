import Datapath
import DatapathModel
import NetAddress

/// Checks of packets that do not leave, with the reason.
enum MasqueradeRefusedCases {
    private typealias Cases = NATCases
    private static let pod = TestNode.pod
    private static let world = TestNode.world

    private static func refused(
        _ name: String, _ packet: [UInt8], after others: [[UInt8]] = [], in setup: NATSetup = NATSetup(),
        _ event: ExpectedEvent
    ) -> SelftestCase {
        SelftestCase(
            name: "refused: \(name)", program: .toNetdev, nat: setup,
            prior: others.map { .init(.toNetdev, Cases.leaving($0)) }, packet: Cases.leaving(packet), verdict: .drop,
            events: [event])
    }

    private static func icmp(type: UInt8, rest: [UInt8]) -> [UInt8] {
        Frame.ipv4Packet(from: pod, to: world, protocol: 1, Frame.icmp(type: type, rest: rest))
    }

    private static func error(about packet: [UInt8], quoted: Int = 8) -> [UInt8] {
        Frame.ipv4Packet(
            from: pod, to: world, protocol: 1, Frame.icmpError(type: 3, code: 3, about: packet, quoted: quoted))
    }

    private static let unreachable = EventRecord.Transport.icmp(type: 3, code: 3, identifier: 0, sequence: 0)

    static let all: [SelftestCase] = [
        refused(
            "the last port is taken by another pod", Cases.question(.udp),
            after: [Cases.question(.udp, from: TestNode.neighbour)], in: NATSetup(ports: 40_853...40_853),
            Cases.dropped(.natNoPort)),
        refused(
            "the last port is taken by the node", Cases.question(.tcp(flags: 2)),
            after: [Cases.question(.tcp(flags: 2), from: TestNode.node)], in: NATSetup(ports: 40_853...40_853),
            Cases.dropped(.natNoPort)),
        refused(
            "SCTP", Frame.ipv4Packet(from: pod, to: world, protocol: 132, Array(repeating: 0, count: 12)),
            Cases.dropped(.natUnsupportedProtocol, nil)),
        refused(
            "an ICMP timestamp", icmp(type: 13, rest: Array(repeating: 0, count: 16)),
            Cases.dropped(.natUnsupportedProtocol, .icmp(type: 13, code: 0, identifier: 0, sequence: 0))),
        refused(
            "an ICMP error about no flow", error(about: Cases.answer(.udp, to: pod)),
            Cases.dropped(.natNoMapping, unreachable)),
        refused(
            "an ICMP error about a fragment",
            error(about: Cases.fragment([1, 2, 3, 4, 5, 6, 7, 8], from: world, to: pod, field: 1)),
            Cases.dropped(.natNoMapping, unreachable)),
        refused(
            "an ICMP error about SCTP",
            error(about: Frame.ipv4Packet(from: world, to: pod, protocol: 132, Array(repeating: 0, count: 8))),
            Cases.dropped(.natNoMapping, unreachable)),
        refused(
            "an ICMP error that quotes too little", error(about: Cases.answer(.udp, to: pod), quoted: 7),
            Cases.dropped(.truncated, unreachable)),
        refused(
            "an ICMP error that quotes no header", icmp(type: 11, rest: [0, 0, 0, 0, 0x45]),
            Cases.dropped(.truncated, .icmp(type: 11, code: 0, identifier: 0, sequence: 0))),
        refused(
            "TCP cut short", Frame.ipv4Packet(from: pod, to: world, protocol: 6, Array(repeating: 0, count: 19)),
            Cases.dropped(.truncated, .ports(source: 0, destination: 0))),
        refused(
            "UDP cut short", Frame.ipv4Packet(from: pod, to: world, protocol: 17, Array(repeating: 0, count: 7)),
            Cases.dropped(.truncated, .ports(source: 0, destination: 0))),
        refused(
            "ICMP cut short", Frame.ipv4Packet(from: pod, to: world, protocol: 1, [8, 0, 0]),
            Cases.dropped(.truncated, nil)),
    ]
}
