import ArgumentParser
import Foundation
import Lab
import Libvirt
import NodeImage

/// `labrun image verify`: runs the datapath's self-test in a node of each kernel.
public struct ImageVerify: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Load and test the datapath's BPF programs in each kernel.",
        discussion: """
            Boots one node per kernel, in a lab of its own, and runs 'labverify selftest' in it: every program is \
            loaded, then tested packet in, exact packet and verdict out. Images that are missing are built first.

            Exit codes: 0 every check passed on every kernel; 1 a check failed; 2 bad usage; 3 a kernel could not be \
            tried.
            """)

    /// The memory of the maps and of `labverify`, in MiB. The self-test makes maps of its own for every object, while
    /// the objects of a node share theirs, and `labverify` lies in the node's RAM.
    private static let mapsMiB = 352

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp("Kernel series, or 'all'.", valueName: "series"),
        completion: .list(KernelSeries.allCases.map(\.rawValue) + ["all"]))
    public var kernel: [String] = ["all"]

    @Flag(name: .long, help: "Print JSON: every kernel's programs, failures and skipped checks.")
    public var json = false

    @Option(help: ArgumentHelp("Fuzzed packets for each program.", valueName: "packets"))
    public var fuzz: Int = 2000

    @Option(help: "Seed of the fuzzed packets; the self-test prints it.")
    public var seed: UInt64?

    @Option(help: "Seconds that a boot, and then the self-test, may take; the default grows with the packets.")
    public var timeout: Double?

    /// The number of nodes at once. Under software emulation each keeps a CPU busy.
    private static let atOnce = 2
    /// The time that all programs together may take for a packet on a slow machine, in seconds.
    private static let secondsPerPacket = 0.004

    public init() {}

    public func validate() throws {
        _ = try kernelSeries(kernel)
        guard (0...10_000_000).contains(fuzz) else { throw ValidationError("--fuzz takes 0 to 10000000 packets") }
        if let timeout, !(timeout > 0 && timeout <= 36_000) {
            throw ValidationError("--timeout takes seconds, up to 36000")
        }
    }

    public func run() async throws {
        let series = try kernelSeries(kernel)
        let seconds = timeout ?? 120 + Double(fuzz) * Self.secondsPerPacket
        let command =
            ["/usr/bin/labverify", "selftest", "--json", "--fuzz", "\(fuzz)"]
            + (seed.map { ["--seed", "\($0)"] } ?? [])
        let results = await Self.verify(series, command, seconds: seconds)
        let done = results.compactMap { try? $0.get() }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardOutput.write(String(decoding: encoder.encode(done), as: UTF8.self))
        } else if !done.isEmpty {
            try StandardOutput.write(VerificationText(verifications: done))
        }
        for (series, result) in zip(series, results) {
            if case .failure(let error) = result {
                StandardError.write("\(series.rawValue): \(error)")
            }
        }
        if done.count < results.count { throw ExitCode(3) }
        if !done.allSatisfy(\.passed) { throw ExitCode(1) }
    }

    /// Returns the results in the order of the series.
    private static func verify(
        _ series: [KernelSeries], _ command: [String], seconds: Double
    ) async -> [Result<KernelVerification, any Error>] {
        typealias Ended = (series: KernelSeries, result: Result<KernelVerification, any Error>)
        let ended = await withTaskGroup(of: Ended.self) { group in
            var ended: [Ended] = []
            for (index, one) in series.enumerated() {
                if index >= atOnce, let first = await group.next() { ended.append(first) }
                group.addTask { (one, await result(of: one, command, seconds: seconds)) }
            }
            for await one in group { ended.append(one) }
            return ended
        }
        return series.compactMap { one in ended.first { $0.series == one }?.result }
    }

    private static func result(
        of series: KernelSeries, _ command: [String], seconds: Double
    ) async -> Result<KernelVerification, any Error> {
        do { return .success(try await verify(series, command, seconds: seconds)) } catch { return .failure(error) }
    }

    private static func verify(
        _ series: KernelSeries, _ command: [String], seconds: Double
    ) async throws -> KernelVerification {
        let trial = try await NodeProgram.run(command, on: series, seconds: seconds, memoryMiB: mapsMiB)
        guard
            let output = try? JSONDecoder().decode(SelftestOutput.self, from: Data(trial.outcome.executed.output.utf8))
        else { throw trial.failure }
        return KernelVerification(
            kernel: series.rawValue, image: trial.image, accelerator: trial.accelerator,
            bootSeconds: trial.outcome.bootSeconds, selftestSeconds: trial.outcome.runSeconds, output: output)
    }
}
