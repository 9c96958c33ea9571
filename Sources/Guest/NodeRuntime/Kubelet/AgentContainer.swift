import Files
import Glibc
import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import Synchronization

/// The datapath agent as the container of a DaemonSet's pod. Its process is that of a node without: it has the node's
/// files, network and processes, and writes the conflist when it is ready. But the kubelet starts it, asks it to end,
/// and starts it again.
final class AgentContainer: Sendable {
    /// The name of the workload in the image catalogue.
    static let workload = "datapathd"

    let plan: ContainerPlan
    private let agent: AgentProcess

    /// Starts the agent.
    ///
    /// - Parameters:
    ///   - command: The agent's program and arguments. Those of the container come after them.
    ///   - mounts: What the container is to see of the pod's volumes.
    /// - Throws: `PodRuntimeError` when a volume's place is taken by a file of the node; `NodeFailure` when an agent
    ///   runs already.
    init(
        _ plan: ContainerPlan, agent: AgentProcess, command: [String], mounts: [ContainerMount], log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        self.plan = plan
        self.agent = agent
        for mount in mounts { try Self.place(mount) }
        let listener = AgentProcess.Listener(
            wrote: { log.append($0, to: .errors, at: .now()) },
            ended: { status, lines in
                log.finish(at: .now())
                var exit = ContainerExit(exitCode: 255, lastLog: lines.joined(separator: "\n"))
                switch status {
                case .exited(let code)?: exit.exitCode = code
                case .signalled(let number)?: (exit.exitCode, exit.signal) = (128 + number, number)
                case nil: break
                }
                ended(exit)
            })
        try agent.start(command + plan.arguments, listener: listener)
    }

    /// Makes a volume seen at its place in the node's own files: by a link, so that a renewed token is seen, too.
    private static func place(_ mount: ContainerMount) throws {
        var status = stat()
        if lstat(mount.target, &status) == 0 {
            // A host path at the same place is there already.
            if isSame(mount.source, mount.target) { return }
            guard status.st_mode & S_IFMT == S_IFLNK else {
                throw PodRuntimeError(
                    "the agent's container has the node's files, and \(mount.target) is one of them")
            }
            unlink(mount.target)
        }
        try Directories.make(Directories.parent(of: mount.target))
        try check("symlink", mount.target) { symlink(mount.source, mount.target) }
    }

    private static func isSame(_ one: String, _ other: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    func signal(_ number: Int32) { agent.ask(signal: number) }
    func kill() { agent.ask(signal: SIGKILL) }

    /// The entry of a further program in the container: one of the node's own programs, such as `datapathd status`.
    ///
    /// - Throws: `PodRuntimeError` when the agent has ended.
    func execution(_ execution: ExecutionPlan) throws -> ContainerEntry {
        guard let process = agent.processIdentifier else {
            throw PodRuntimeError("container not running (\(plan.identity.id))")
        }
        var entry = ContainerEntry(
            root: "/", networkNamespace: nil, controlGroup: nil, hostname: nil, sharesRun: true,
            arguments: execution.arguments, environment: NodeEnvironment.variables)
        entry.joins = process
        entry.keepsInput = execution.hasStdin || execution.hasTerminal
        entry.hasTerminal = execution.hasTerminal
        return entry
    }
}
