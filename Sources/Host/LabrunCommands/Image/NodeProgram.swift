import Lab
import Libvirt
import NodeImage

/// A program of the node image with checks, run in a node of its own on a kernel.
struct NodeProgram {
    let outcome: NodeTrial.Outcome
    /// The digest of the image.
    let image: String
    /// `kvm` or `tcg`
    let accelerator: String
    private let command: [String]

    /// The error for a program that did not print what it should.
    var failure: TrialFailure {
        let words = (outcome.executed.errorOutput + outcome.executed.output).suffix(2000)
        return TrialFailure(
            description: "\(command.joined(separator: " ")) ended with \(outcome.executed.status): \(words)")
    }

    /// Builds the image if it is missing, boots the node and runs the program.
    ///
    /// - Parameters:
    ///   - seconds: The time that the boot may take, and that the program may take.
    ///   - memoryMiB: The node's memory, if that is more than the kernel needs.
    static func run(
        _ command: [String], on series: KernelSeries, seconds: Double, memoryMiB: Int = 0
    ) async throws -> NodeProgram {
        let store = ImageStore()
        let say: @Sendable (String) -> Void = { StandardError.write("\(series.rawValue): \($0)") }
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
