import BPF
import DatapathModel
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Packets that nobody would build: a program must end in a verdict, and every drop must have its reason counted.
struct SelftestFuzz {
    /// Not the system's generator: a failure must be repeatable.
    private var state: UInt64
    private let seeds: [[UInt8]]
    /// What the packets' flows need to be known.
    private let priors: [SelftestCase.Prior]

    init(seed: UInt64, cases: [SelftestCase]) {
        state = seed
        seeds = cases.map(\.packet)
        priors = cases.flatMap(\.prior)
    }

    /// Runs `count` packets through the program; the problems found.
    mutating func problems(
        _ program: TestedProgram, count: Int, on bench: inout SelftestBench
    ) throws -> [String] {
        try bench.apply(.services)
        try bench.apply(NATSetup())
        for step in priors { _ = try bench.run(step.program, packet: step.packet) }
        let before = try dropCount(bench)
        var drops: UInt64 = 0
        for number in 0..<count {
            let packet = next()
            let tunnel =
                program.object == .overlay && number % 4 != 0 ? UInt32(truncatingIfNeeded: random()) & 0xFFFFFF : nil
            let run: Program.TestRun
            do {
                run = try bench.run(program, packet: packet, tunnelIdentifier: tunnel)
            } catch let error as SystemError where error.code == EINVAL && Frame.isCutShort(packet) {
                continue
            }
            guard let verdict = Verdict(rawValue: run.verdict) else {
                return ["verdict \(run.verdict) on packet \(number), seed \(state)"]
            }
            if verdict == .drop { drops += 1 }
            if number % 256 == 255 { _ = try bench.drainEvents() }
        }
        _ = try bench.drainEvents()
        let counted = try dropCount(bench) - before
        guard counted == drops else {
            return ["\(drops) packets were dropped, \(counted) drops counted"]
        }
        return []
    }

    /// Three kinds do not count: an expired packet or one that is too long is recorded as a drop and left to the stack, for its
    /// ICMP error, and the call of a service without backends becomes one.
    private func dropCount(_ bench: borrowing SelftestBench) throws -> UInt64 {
        let answered: Set<Reason> = [.ttlExceeded, .fragmentationNeeded, .noServiceBackend]
        return try bench.readMetrics().reduce(0) { sum, metric in
            let reason = metric.key.reason
            return sum + (reason.isDrop && !answered.contains(reason) ? metric.value.packets : 0)
        }
    }

    /// A known packet with some bytes exchanged or its end cut or grown, or nothing but noise.
    private mutating func next() -> [UInt8] {
        guard random() % 8 != 0, var packet = seeds.isEmpty ? nil : seeds[Int(random() % UInt64(seeds.count))] else {
            return (0..<(34 + Int(random() % 200))).map { _ in UInt8(truncatingIfNeeded: random()) }
        }
        for _ in 0..<(random() % 4) {
            packet[Int(random() % UInt64(packet.count))] = UInt8(truncatingIfNeeded: random())
        }
        if random() % 4 == 0 {
            packet = Array(packet.prefix(max(Self.shortest, Int(random() % UInt64(packet.count)))))
        }
        return packet
    }

    /// An Ethernet header and one byte: the kernel runs nothing shorter.
    private static let shortest = 15

    /// SplitMix64.
    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
