import BPF
import Datapath
import DatapathModel
import PacketChecks

/// `struct repeated` of `selftest.bpf.c`: the state that the driver restores before each run of a repeated test run.
struct RepeatedPacket: BitwiseCopyable {
    static let length = 64

    private typealias Words = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    private var words: Words = (0, 0, 0, 0, 0, 0, 0, 0)
    private let mark: UInt32
    private let tunnelIdentifier: UInt32
    private let variesSourcePort: UInt16
    private let sourcePort: UInt16 = 0
    private let pad: UInt32 = 0

    /// The result is nil unless the frame has exactly 64 octets.
    init?(_ frame: [UInt8], mark: UInt32, tunnelIdentifier: UInt32, variesSourcePort: Bool) {
        guard frame.count == Self.length else { return nil }
        self.mark = mark
        self.tunnelIdentifier = tunnelIdentifier
        self.variesSourcePort = variesSourcePort ? 1 : 0
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: frame) }
    }
}

/// A packet for one program, which runs it many times.
struct BenchStep: Sendable {
    let program: TestedProgram
    let frame: [UInt8]
    var mark: UInt32 = 0
    var tunnelIdentifier: UInt32 = 0
    var variesSourcePort = false
    let verdict: Verdict
}

extension SelftestBench {
    /// Returns the mean nanoseconds of one run, including the driver's own share.
    ///
    /// - Throws: `SelftestFailure` if the program did not do with the packets what the step says.
    mutating func nanoseconds(_ step: BenchStep, repeating count: Int) throws -> Double {
        let before = try readMetrics()
        let run = try repeated(step, program: step.program.rawValue, count)
        let after = try readMetrics()
        _ = try drainEvents()
        guard run.verdict == step.verdict.rawValue else {
            throw SelftestFailure(
                description: "\(step.program.rawValue) answers \(run.verdict), expected \(step.verdict)")
        }
        let drops = after.reduce(0) { sum, metric in
            let news = metric.value.packets - (before[metric.key]?.packets ?? 0)
            return sum + (metric.key.reason.isDrop ? Int(news) : 0)
        }
        guard drops == (step.verdict == .drop ? count : 0) else {
            throw SelftestFailure(description: "\(step.program.rawValue) dropped \(drops) of \(count) packets")
        }
        return Double(run.durationNanoseconds)
    }

    /// Returns the driver's own share: the time of a run with a program that does nothing.
    func driverNanoseconds(_ step: BenchStep, repeating count: Int) throws -> Double {
        Double(try repeated(step, program: nil, count).durationNanoseconds)
    }

    private func repeated(_ step: BenchStep, program: String?, _ count: Int) throws -> Program.TestRun {
        guard
            let packet = RepeatedPacket(
                step.frame, mark: step.mark, tunnelIdentifier: step.tunnelIdentifier,
                variesSourcePort: step.variesSourcePort)
        else { throw SelftestFailure(description: "a frame of \(step.frame.count) octets cannot be repeated") }
        let packets: Map<UInt32, RepeatedPacket> = try driver.map("repeated_packet")
        try packets.update(packet, for: 0)
        let tested = try program.map { try object.program($0) } ?? driver.program("nothing")
        try programUnderTest.update(UInt32(tested.descriptor), for: 0)
        return try driver.program("again").testRun(
            packet: step.frame, interface: TestNode.podInterface, repeating: Int32(clamping: count))
    }
}
