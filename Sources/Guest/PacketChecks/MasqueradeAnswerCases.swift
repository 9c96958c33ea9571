import Datapath
import DatapathModel
import NetAddress

/// Checks of what comes back to a masqueraded flow, and of what only looks like an answer.
enum MasqueradeAnswerCases {
    static let all = answers + others + fragments + errors

    private typealias Cases = NATCases
    private static let world = TestNode.world
    private static let node = TestNode.node
    private static let pod = TestNode.pod
    /// The mark of packets with the identity "world".
    private static let worldMark: UInt32 = 0x1D00_0002

    private static func asked(_ transport: NATCases.Transport, from source: IPv4Address = pod) -> [SelftestCase.Prior] {
        [.init(.toNetdev, Cases.leaving(Cases.question(transport, from: source)))]
    }

    private static func answered(_ name: String, _ transport: NATCases.Transport) -> SelftestCase {
        SelftestCase(
            name: "answer: \(name)", program: .fromNetdev, nat: NATSetup(), prior: asked(transport),
            packet: Cases.arriving(Cases.answer(transport)), verdict: .redirect,
            output: Cases.delivered(Cases.answer(transport, to: pod, ttl: 63)), outputMark: worldMark,
            events: [Cases.received(Cases.shown(transport, Cases.dns, Cases.port, isAnswer: true))])
    }

    private static let answers: [SelftestCase] = [
        answered("UDP", .udp),
        answered("UDP without a checksum", .udpWithoutChecksum),
        answered("TCP", .tcp(flags: 0x12)),
        answered("TCP reset", .tcp(flags: 0x14)),
        answered("ICMP echo", .echo),
        SelftestCase(
            name: "answer: with the port that the pod had", program: .fromNetdev,
            nat: NATSetup(ports: 50_000...50_000),
            prior: [.init(.toNetdev, Cases.leaving(Cases.question(.tcp(flags: 2), from: pod, 1000)))],
            packet: Cases.arriving(Cases.answer(.tcp(flags: 0x12), 50_000)), verdict: .redirect,
            output: Cases.delivered(Cases.answer(.tcp(flags: 0x12), to: pod, 1000, ttl: 63)), outputMark: worldMark,
            events: [Cases.received(.ports(source: Cases.dns, destination: 50_000))]),
        SelftestCase(
            name: "answer: longer than the pod's MTU goes through the stack", program: .fromNetdev,
            nat: NATSetup(podMTU: 34), prior: asked(.udp), packet: Cases.arriving(Cases.answer(.udp)), verdict: .pass,
            output: Cases.arriving(Cases.answer(.udp, to: pod)), events: [Cases.received()]),
        SelftestCase(
            name: "answer: through the stack where kube-proxy serves", program: .fromNetdev, setup: .forwarded,
            nat: NATSetup(), prior: asked(.tcp(flags: 2)), packet: Cases.arriving(Cases.answer(.tcp(flags: 0x12))),
            verdict: .pass,
            output: Cases.arriving(Cases.answer(.tcp(flags: 0x12), to: pod)),
            events: [Cases.received(Cases.shown(.tcp(flags: 0x12), Cases.dns, Cases.port, isAnswer: true))]),
        SelftestCase(
            name: "answer: out of hops goes through the stack", program: .fromNetdev, nat: NATSetup(),
            prior: asked(.udp), packet: Cases.arriving(Cases.answer(.udp, ttl: 1)), verdict: .pass,
            output: Cases.arriving(Cases.answer(.udp, to: pod, ttl: 1)), events: [Cases.received()]),
        SelftestCase(
            name: "answer: to the node's own flow, whose port was taken", program: .fromNetdev,
            nat: NATSetup(ports: 40_853...40_854), prior: asked(.udp) + asked(.udp, from: node),
            packet: Cases.arriving(Cases.answer(.udp, 40_854)), verdict: .pass,
            output: Cases.arriving(Cases.answer(.udp)),
            events: [Cases.received(.ports(source: Cases.dns, destination: 40_854))]),
    ]

    private static func unrelated(_ name: String, _ packet: [UInt8], _ shown: EventRecord.Transport?) -> SelftestCase {
        SelftestCase(
            name: "no answer: \(name)", program: .fromNetdev, nat: NATSetup(), prior: asked(.udp) + asked(.echo),
            packet: Cases.arriving(packet), verdict: .pass, events: [Cases.received(shown)])
    }

    private static let others: [SelftestCase] = [
        unrelated("another port", Cases.answer(.udp, 40_900), .ports(source: Cases.dns, destination: 40_900)),
        unrelated("below the range", Cases.answer(.udp, 22), .ports(source: Cases.dns, destination: 22)),
        unrelated(
            "another protocol", Cases.answer(.tcp(flags: 2)), .ports(source: Cases.dns, destination: Cases.port)),
        unrelated(
            "an echo of the other side's own",
            Cases.packet(.echo, from: world, Cases.port, to: node, 0), Cases.shown(.echo, Cases.port, 0)),
        unrelated(
            "SCTP", Frame.ipv4Packet(from: world, to: node, protocol: 132, Array(repeating: 0, count: 12)), nil),
        unrelated(
            "cut short", Frame.ipv4Packet(from: world, to: node, protocol: 6, [0, 53, 0x9F, 0x95]),
            .ports(source: Cases.dns, destination: Cases.port)),
        unrelated(
            "an ICMP error about nothing known",
            Frame.ipv4Packet(
                from: world, to: node, protocol: 1,
                Frame.icmpError(type: 3, code: 3, about: Cases.question(.udp, from: node, 41_000), quoted: 8)),
            .icmp(type: 3, code: 3, identifier: 0, sequence: 0)),
        SelftestCase(
            name: "no answer: masquerade is off", program: .fromNetdev, nat: NATSetup(masquerades: false),
            packet: Cases.arriving(Cases.answer(.udp)), verdict: .pass, events: [Cases.received()]),
        SelftestCase(
            name: "no answer: to the node's own flow", program: .fromNetdev, nat: NATSetup(),
            prior: asked(.udp, from: node), packet: Cases.arriving(Cases.answer(.udp)), verdict: .pass,
            events: [Cases.received()]),
    ]

    private static let first = Frame.udp(Cases.dns, Cases.port, Array(repeating: 5, count: 24))
    private static let second = [UInt8](repeating: 6, count: 16)

    private static func part(_ payload: [UInt8], to address: IPv4Address, field: UInt16, ttl: UInt8 = 64) -> [UInt8] {
        Cases.fragment(payload, from: world, to: address, field: field, ttl: ttl)
    }

    private static let fragments: [SelftestCase] = [
        SelftestCase(
            name: "fragment: the first", program: .fromNetdev, nat: NATSetup(), prior: asked(.udp),
            packet: Cases.arriving(part(first, to: node, field: 0x2000)), verdict: .redirect,
            output: Cases.delivered(
                part(
                    Frame.udp(Cases.dns, Cases.port, Array(repeating: 5, count: 24)), to: pod, field: 0x2000, ttl: 63)),
            outputMark: worldMark, events: [Cases.received()]),
        SelftestCase(
            name: "fragment: the second after the first", program: .fromNetdev, nat: NATSetup(),
            prior: asked(.udp) + [.init(.fromNetdev, Cases.arriving(part(first, to: node, field: 0x2000)))],
            packet: Cases.arriving(part(second, to: node, field: 4)), verdict: .redirect,
            output: Cases.delivered(part(second, to: pod, field: 4, ttl: 63)), outputMark: worldMark,
            events: [Cases.received(nil)]),
        SelftestCase(
            name: "fragment: of a datagram for the node", program: .fromNetdev, nat: NATSetup(),
            packet: Cases.arriving(Cases.fragment(second, from: TestNode.otherNode, to: node, field: 4)),
            verdict: .pass, events: [Cases.received(from: TestNode.otherNode, nil)]),
    ]

    /// An ICMP error of a router on the way, about the packet that left.
    private static func error(
        _ name: String, _ transport: NATCases.Transport, type: UInt8, code: UInt8, word: UInt32 = 0, quoted: Int
    ) -> SelftestCase {
        let router = IPv4Address(203, 0, 113, 1)
        func message(_ address: IPv4Address, ttl: UInt8) -> [UInt8] {
            let error = Frame.icmpError(
                type: type, code: code, word: word, about: Cases.question(transport, from: address), quoted: quoted)
            return Frame.ipv4Packet(from: router, to: address, protocol: 1, ttl: ttl, error)
        }
        return SelftestCase(
            name: "ICMP error: \(name)", program: .fromNetdev, nat: NATSetup(), prior: asked(transport),
            packet: Cases.arriving(message(node, ttl: 64)), verdict: .redirect,
            output: Cases.delivered(message(pod, ttl: 63)), outputMark: worldMark,
            events: [
                Cases.received(
                    from: router,
                    .icmp(
                        type: type, code: code, identifier: UInt16(word >> 16), sequence: UInt16(word & 0xFFFF)))
            ])
    }

    private static let errors: [SelftestCase] = [
        error("port unreachable, about UDP", .udp, type: 3, code: 3, quoted: 15),
        error("about UDP without a checksum", .udpWithoutChecksum, type: 3, code: 1, quoted: 8),
        error("fragmentation needed, about TCP", .tcp(flags: 0x10), type: 3, code: 4, word: 1400, quoted: 8),
        error("about TCP, its header quoted", .tcp(flags: 0x10), type: 3, code: 4, word: 1400, quoted: 27),
        error("time exceeded, about an echo", .echo, type: 11, code: 0, quoted: 15),
    ]
}
