import ArgumentParser
import Foundation
import NodeImage

/// `labrun image bench`: measures the datapath in a node of one kernel.
public struct ImageBench: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the datapath in a node of one kernel.",
        discussion: """
            Boots a node in a lab of its own and runs 'labverify bench' in it: nanoseconds a packet of each path, and \
            how long an agent with many services takes. Only ratios mean something under software emulation; for \
            traffic between pods, see 'make bench', which measures on the machine itself.

            Exit codes: 0 every bound holds; 1 one does not; 2 bad usage; 3 nothing could be measured.
            """)

    @Option(
        name: .long, help: ArgumentHelp("Kernel series.", valueName: "series"),
        completion: .list(KernelSeries.allCases.map(\.rawValue)))
    public var kernel: String = KernelSeries.standard.rawValue

    @Option(
        help: """
            What to measure: packets or services; both when it is not given.
            """)
    public var only: String?

    @Flag(name: .long, help: "Print JSON: every figure with its bound.")
    public var json = false

    @Option(help: "Seconds that the measurement may take.")
    public var timeout: Double = 600

    /// The node's memory in MiB: enough for 10,000 services and policy entries, and for an agent with 50,000 backends.
    private static let memoryMiB = 768

    public init() {}

    public func validate() throws {
        _ = try kernelSeries([kernel])
        if let only, !Self.parts.contains(only) { throw ValidationError("--only takes packets or services") }
        guard timeout > 0, timeout <= 36_000 else { throw ValidationError("--timeout takes seconds, up to 36000") }
    }

    private static let parts = ["packets", "services"]

    /// What `labverify bench --json` prints.
    private struct Output: Codable {
        struct Row: Codable {
            let name: String
            let value: Double
            let unit: String
            let atMost, atLeast: Double?
            let how: String

            var holds: Bool { value <= atMost ?? .infinity && value >= atLeast ?? -.infinity }
            var text: String {
                let goal =
                    atMost.map { String(format: "at most %.2f", $0) }
                    ?? atLeast.map { String(format: "at least %.2f", $0) }
                let verdict = goal == nil ? "      " : holds ? "met   " : "missed"
                let figure = String(format: "%.2f", value) + " \(unit)" + (goal.map { ", goal \($0)" } ?? "")
                return "\(verdict) \(name): \(figure)  (\(how))"
            }
        }
        let kernel: String
        let rows: [Row]
    }

    public func run() async throws {
        guard let series = try kernelSeries([kernel]).first else { throw ValidationError("--kernel names no series") }
        var output: Output?
        var accelerator = ""
        for part in only.map({ [$0] }) ?? Self.parts {
            let (measured, trial) = try await measure(part, on: series)
            output = Output(kernel: measured.kernel, rows: (output?.rows ?? []) + measured.rows)
            accelerator = trial.accelerator
        }
        guard let output else { throw ExitCode(3) }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardOutput.write(String(decoding: encoder.encode(output), as: UTF8.self))
        } else {
            try StandardOutput.write("kernel \(output.kernel), \(accelerator)")
            for row in output.rows { try StandardOutput.write(row.text) }
        }
        if !output.rows.allSatisfy(\.holds) { throw ExitCode(1) }
    }

    /// Measures one part in a node of its own.
    private func measure(_ part: String, on series: KernelSeries) async throws -> (Output, NodeProgram) {
        do {
            let trial = try await NodeProgram.run(
                ["/usr/bin/labverify", "bench", "--json", "--only", part], on: series, seconds: timeout,
                memoryMiB: Self.memoryMiB)
            guard let output = try? JSONDecoder().decode(Output.self, from: Data(trial.outcome.executed.output.utf8))
            else { throw trial.failure }
            return (output, trial)
        } catch {
            StandardError.write("\(series.rawValue): \(error)")
            throw ExitCode(3)
        }
    }
}
