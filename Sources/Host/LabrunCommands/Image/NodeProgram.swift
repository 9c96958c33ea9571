import Lab
import Libvirt
import NodeImage

/// A program of the node image with checks, run in a node of its own on a kernel.
struct NodeProgram {
    let outcome: NodeTrial.Outcome
    /// Digest of the image.
    let image: String
    /// `kvm` or `tcg`
    let accelerator: String
    private let command: [String]

    /// What to say of a program that did not print what it should.
    var failure: TrialFailure {
        let words = (outcome.executed.errorOutput + outcome.executed.output).suffix(2000)
        return TrialFailure(
            description: "\(command.joined(separator: " ")) ended with \(outcome.executed.status): \(words)")
    }

    /// Builds the image when it is missing, boots the node, runs the program.
    ///
    /// - Parameters:
    ///   - seconds: for the boot and for the program, each.
    ///   - memoryMiB: at least what the kernel needs.
    static func run(
        _ command: [String], on series: KernelSeries, seconds: Double, memoryMiB: Int = 0
    ) async throws -> NodeProgram {
        let store = ImageStore()
        let say: @Sendable (String) -> Void = { FileOutput.standardError.write("\(series.rawValue): \($0)") }
        let image = try await store.ensure(ImageRecipe(series: series, hasChecks: true)) { say("\($0)") }
        let acceleration = await AccelerationProbe(kernel: image.kernelPath, cacheDirectory: store.cacheDirectory)
            .answer()
        let accelerator = acceleration.accelerator == .kvm ? "kvm" : "tcg"
        let outcome = try await ImageTrial.run(
            NodeTrial.Request(
                node: "node", kernelPath: image.kernelPath, initrdPath: image.initrdPath, accelerator: accelerator,
                parameters: acceleration.accelerator == .tcg ? series.emulationParameters : [],
                memoryMiB: max(memoryMiB, series.minimumMemoryMiB),
                capabilitiesCache: store.cacheDirectory + "/libvirt",
                command: command, seconds: seconds))
        return NodeProgram(outcome: outcome, image: image.digest, accelerator: accelerator, command: command)
    }
}
