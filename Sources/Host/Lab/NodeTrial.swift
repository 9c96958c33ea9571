import NodeProtocol

/// Runs one program in a freshly booted node without a network, to try out kernels and images.
public enum NodeTrial {
    public struct Request: Codable, Sendable {
        /// The node's name in messages.
        public var node: String
        public var kernelPath: String
        public var initrdPath: String
        /// `kvm` or `tcg`
        public var accelerator: String
        /// Kernel parameters that this kernel needs under the accelerator in use.
        public var parameters: [String]
        public var memoryMiB: Int
        /// The directory that keeps QEMU's capabilities between labs.
        public var capabilitiesCache: String
        /// The absolute path of a program in the node, and its arguments.
        public var command: [String]
        /// The time in seconds that the boot may take, and the program, too.
        public var seconds: Double
        public init(
            node: String, kernelPath: String, initrdPath: String, accelerator: String, parameters: [String],
            memoryMiB: Int, capabilitiesCache: String, command: [String], seconds: Double
        ) {
            self.node = node
            self.kernelPath = kernelPath
            self.initrdPath = initrdPath
            self.accelerator = accelerator
            self.parameters = parameters
            self.memoryMiB = memoryMiB
            self.capabilitiesCache = capabilitiesCache
            self.command = command
            self.seconds = seconds
        }
    }

    public struct Outcome: Codable, Sendable {
        /// The kernel's release, as `uname -r` prints it in the node.
        public let kernel: String
        /// The time from power-on until the runtime answered.
        public let bootSeconds: Double
        /// The time that the program alone took.
        public let runSeconds: Double
        public let executed: Executed
    }

    /// Boots the node, runs the program and cuts the power. It must be called in a lab's namespaces.
    ///
    /// - Parameter directory: The lab's own directory, for libvirt's state, the channel's socket and the console.
    /// - Throws: `LabError` with the last lines of the console if the node did not boot or ended early.
    public static func run(_ request: Request, directory: String) async throws -> Outcome {
        let hypervisor = try await LibvirtHypervisor.open(
            directory: directory, capabilitiesCache: request.capabilitiesCache, consoleDirectory: directory,
            boot: .init(
                kernelPath: request.kernelPath, initrdPath: request.initrdPath, accelerator: request.accelerator,
                parameters: request.parameters))
        let plan = LabPlan.Node(
            name: request.node, address: "", mac: "", tap: "", interfaceID: "", podCIDR: "")
        let node = ClusterNode(
            plan: plan,
            machine: hypervisor.machine(
                named: request.node, index: 1, memoryMiB: request.memoryMiB, interfaces: [])
        ) { _, _ in }
        let clock = ContinuousClock()
        let started = clock.now
        try await node.boot(within: .seconds(request.seconds))
        let booted = clock.now
        guard let runtime = await node.state.runtime else {
            throw LabError(.boot, "\(request.node): the runtime has not answered", lastLines: node.consoleTail(20))
        }
        let reply: NodeReply
        do {
            let command = Execute(arguments: request.command, deadlineMillis: Int(request.seconds * 1000))
            reply = try await node.call(.execute(command), within: .seconds(request.seconds + 5))
        } catch {
            throw LabError(
                .nodeFailed, "\(request.node) ran \(request.command.joined(separator: " ")): \(error)",
                lastLines: node.consoleTail(20))
        }
        guard case .executed(let executed) = reply else {
            throw LabError(.request, "\(request.node) answered something else than the program's end")
        }
        let ended = clock.now
        await node.close()
        try await hypervisor.destroyAll()
        return Outcome(
            kernel: runtime.kernel, bootSeconds: (booted - started) / .seconds(1),
            runSeconds: (ended - booted) / .seconds(1), executed: executed)
    }
}
