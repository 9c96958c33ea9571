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
            Boots one node per kernel, in a lab of its own, and runs 'datapathd selftest' in it: every program is \
            loaded, then tested packet in, exact packet and verdict out. Images that are missing are built first.

            Exit codes: 0 every check passed on every kernel; 1 a check failed; 2 bad usage; 3 a kernel could not be \
            tried.
            """)

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp("Kernel series, or 'all'.", valueName: "series"),
        completion: .list(KernelSeries.allCases.map(\.rawValue) + ["all"]))
    public var kernel: [String] = ["all"]

    @Flag(name: .long, help: "Print JSON: every kernel's programs, failures and skipped checks.")
    public var json = false

    @Option(help: "Seconds that a boot, and then the self-test, may take.")
    public var timeout: Double = 120

    /// Nodes at once: each keeps a CPU busy under software emulation.
    private static let atOnce = 2

    public init() {}

    public func validate() throws {
        _ = try kernelSeries(kernel)
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes seconds, up to 3600") }
    }

    public func run() async throws {
        let series = try kernelSeries(kernel)
        let results = await Self.verify(series, seconds: timeout)
        let done = results.compactMap { try? $0.get() }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(done), as: UTF8.self))
        } else if !done.isEmpty {
            print(VerificationText(verifications: done))
        }
        for (series, result) in zip(series, results) {
            if case .failure(let error) = result {
                FileOutput.standardError.write("\(series.rawValue): \(error)")
            }
        }
        if done.count < results.count { throw ExitCode(3) }
        if !done.allSatisfy(\.passed) { throw ExitCode(1) }
    }

    /// Results in the order of the series.
    private static func verify(
        _ series: [KernelSeries], seconds: Double
    ) async -> [Result<KernelVerification, any Error>] {
        typealias Ended = (series: KernelSeries, result: Result<KernelVerification, any Error>)
        let ended = await withTaskGroup(of: Ended.self) { group in
            var ended: [Ended] = []
            for (index, one) in series.enumerated() {
                if index >= atOnce, let first = await group.next() { ended.append(first) }
                group.addTask { (one, await result(of: one, seconds: seconds)) }
            }
            for await one in group { ended.append(one) }
            return ended
        }
        return series.compactMap { one in ended.first { $0.series == one }?.result }
    }

    private static func result(
        of series: KernelSeries, seconds: Double
    ) async -> Result<KernelVerification, any Error> {
        do { return .success(try await verify(series, seconds: seconds)) } catch { return .failure(error) }
    }

    private static func verify(_ series: KernelSeries, seconds: Double) async throws -> KernelVerification {
        let store = ImageStore()
        let image = try await store.ensure(kernel: series.rawValue) { step in
            FileOutput.standardError.write("\(series.rawValue): \(step)")
        }
        let acceleration = await AccelerationProbe(kernel: image.kernelPath, cacheDirectory: store.cacheDirectory)
            .answer()
        let accelerator = acceleration.accelerator == .kvm ? "kvm" : "tcg"
        let outcome = try await ImageTrial.run(
            NodeTrial.Request(
                node: "node", kernelPath: image.kernelPath, initrdPath: image.initrdPath, accelerator: accelerator,
                parameters: acceleration.accelerator == .tcg ? series.emulationParameters : [],
                memoryMiB: series.minimumMemoryMiB, capabilitiesCache: store.cacheDirectory + "/libvirt",
                command: ["/usr/bin/datapathd", "selftest", "--json"], seconds: seconds))
        guard let output = try? JSONDecoder().decode(SelftestOutput.self, from: Data(outcome.executed.output.utf8))
        else {
            let words = (outcome.executed.errorOutput + outcome.executed.output).suffix(2000)
            throw TrialFailure(description: "datapathd selftest ended with \(outcome.executed.status): \(words)")
        }
        return KernelVerification(
            kernel: series.rawValue, image: image.digest, accelerator: accelerator,
            bootSeconds: outcome.bootSeconds, selftestSeconds: outcome.runSeconds, output: output)
    }
}
