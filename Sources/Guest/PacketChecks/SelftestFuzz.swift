import BPF
import Datapath
import DatapathModel
import Hashing
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Runs packets that nobody would build. A program must end in a verdict for each, and the reason of every drop must be
/// counted.
struct SelftestFuzz {
    /// How many packets are made, and from which seed.
    struct Plan: Sendable {
        var packets = 2000
        /// The same seed makes the same packets.
        var seed: UInt64 = 0x6C61_6272_756E
    }

    /// A generator with a seed, so that a failure can be repeated.
    private var random: SplitMix64
    private let seeds: [[UInt8]]
    /// What must come before so that the packets' flows are known.
    private let priors: [SelftestCase.Prior]
    private var packet: [UInt8] = []

    init(seed: UInt64, cases: [SelftestCase]) {
        random = SplitMix64(seed: seed)
        seeds = cases.map(\.packet)
        priors = cases.flatMap(\.prior)
    }

    /// Runs `count` packets through the program, and returns the problems found.
    mutating func problems(
        _ program: TestedProgram, count: Int, on bench: inout SelftestBench
    ) throws -> [String] {
        try bench.apply(.services)
        try bench.reachPods(atPeer: true)
        try bench.apply(NATSetup())
        for step in priors { _ = try bench.run(step.program, packet: step.packet) }
        let before = try dropCount(bench)
        let tested = try bench.object.program(program.rawValue)
        // A device gives a packet its tunnel key. The driver does so in its place.
        let tunnelled = try bench.driver.program("with_tunnel_key")
        try bench.programUnderTest.update(UInt32(tested.descriptor), for: 0)
        let runner = PacketRunner(interface: TestNode.podInterface)
        var drops: UInt64 = 0
        var calls = try Self.unservedCalls(bench)
        for number in 0..<count {
            let state = random.state
            mutate()
            let verdict: Int32
            do throws(SystemError) {
                if program.object == .overlay, number % 4 != 0 {
                    verdict = try runner.run(
                        tunnelled, packet, mark: UInt32(truncatingIfNeeded: random.next()) & 0xFFFFFF)
                } else {
                    verdict = try runner.run(tested, packet)
                }
            } catch {
                if error.code == EINVAL, Frame.isCutShort(packet) { continue }
                throw error
            }
            let callsBefore = calls
            calls = try Self.unservedCalls(bench)
            switch Verdict(rawValue: verdict) {
            case .drop?: if calls == callsBefore { drops += 1 }
            case .pass?, .redirect?: break
            case nil:
                return ["verdict \(verdict) on packet \(number), which --seed \(state) makes the first: \(packet)"]
            }
            if number % 1024 == 1023 { try bench.discardEvents() }
        }
        try bench.discardEvents()
        let counted = try dropCount(bench) - before
        guard counted == drops else {
            return ["\(drops) packets were dropped, \(counted) drops counted"]
        }
        return []
    }

    /// The number of counted drops. Two kinds are left out. A packet that has expired or is too long is recorded as a
    /// drop but left to the stack, which answers with an ICMP error. Calls of services without backends are counted
    /// packet by packet.
    private func dropCount(_ bench: borrowing SelftestBench) throws -> UInt64 {
        let answered: Set<Reason> = [.ttlExceeded, .fragmentationNeeded, .noServiceBackend]
        return try bench.readMetrics().reduce(0) { sum, metric in
            let reason = metric.key.reason
            return sum + (reason.isDrop && !answered.contains(reason) ? metric.value.packets : 0)
        }
    }

    /// The number of calls so far of services without backends. Such a call is answered by an ICMP error or, if none
    /// can be built (for a later fragment, or a header that is cut short), dropped. Its record stands for both.
    private static func unservedCalls(_ bench: borrowing SelftestBench) throws -> UInt64 {
        try bench.packets(MetricsKey(reason: .noServiceBackend, direction: .egress, point: .fromEndpoint))
            + bench.packets(MetricsKey(reason: .noServiceBackend, direction: .ingress, point: .fromNetwork))
    }

    /// Makes the next packet. It is noise, or a known packet with some bytes changed, with a field of a header set to
    /// an edge of its range, or with its end cut off or extended.
    private mutating func mutate() {
        guard random.next() % 8 != 0, !seeds.isEmpty else {
            packet.removeAll(keepingCapacity: true)
            for _ in 0..<(34 + Int(random.next() % 200)) { packet.append(UInt8(truncatingIfNeeded: random.next())) }
            return
        }
        packet.removeAll(keepingCapacity: true)
        packet += seeds[Int(random.next() % UInt64(seeds.count))]
        for _ in 0..<(random.next() % 4) {
            packet[Int(random.next() % UInt64(packet.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.next() % 2 == 0 {
            let field = Self.fields[Int(random.next() % UInt64(Self.fields.count))]
            if field < packet.count { packet[field] = Self.edges[Int(random.next() % UInt64(Self.edges.count))] }
        }
        switch random.next() % 8 {
        case 0, 1:
            packet.removeLast(
                packet.count - min(packet.count, max(Self.shortest, Int(random.next() % UInt64(packet.count)))))
        case 2:
            for _ in 0..<(random.next() % 64) { packet.append(UInt8(truncatingIfNeeded: random.next())) }
        default: break
        }
    }

    /// The offsets of what decides how a frame is read: the ethertype, IPv4's version and length, total length,
    /// fragment, TTL and protocol, the ports, ICMP's type, TCP's data offset and flags, and a quoted packet's version,
    /// fragment and protocol.
    private static let fields = [
        12, 13, 14, 16, 17, 20, 21, 22, 23, 34, 35, 36, 37, 38, 39, 40, 41, 42, 46, 47, 48, 49, 51, 54, 55, 62, 63,
    ]
    private static let edges: [UInt8] = [
        0, 1, 2, 3, 4, 5, 6, 8, 0x0F, 0x11, 0x1F, 0x20, 0x3F, 0x40, 0x45, 0x4F, 0x7F, 0x80, 0xFE, 0xFF,
    ]

    /// An Ethernet header and one byte. The kernel runs a program on nothing shorter.
    private static let shortest = 15
}
