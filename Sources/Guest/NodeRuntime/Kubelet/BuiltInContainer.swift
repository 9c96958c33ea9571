import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import NodeProtocol
import Prober
import Synchronization

/// A container whose work is one of the lab's own: `echo` answers the prober's packets and HTTP requests on its ports,
/// `pause` does nothing. There is no process.
final class BuiltInContainer: Sendable {
    /// The port that answers where a container names none.
    static let defaultPort: UInt16 = 8080

    private let owner: NodeProtocol.PodReference
    private let receivers: Receivers
    private let log: ContainerLog
    private let ended: @Sendable (ContainerExit) -> Void
    private let hasEnded = Mutex(false)

    /// - Throws: `PodRuntimeError` for a workload that the node does not have; `SystemError` when a port is taken.
    init(
        _ name: String, _ plan: ContainerPlan, namespacePath: String, receivers: Receivers, log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        let pod = plan.identity.pod
        owner = NodeProtocol.PodReference(namespace: pod.namespace, name: "\(pod.name)/\(plan.identity.name)")
        self.receivers = receivers
        self.log = log
        self.ended = ended
        switch name {
        case "pause": break
        case "echo", "http":
            let ports = plan.ports.isEmpty ? [Self.defaultPort] : plan.ports
            var seen: Set<UInt16> = []
            let distinct = ports.filter { seen.insert($0).inserted }
            try receivers.openPorts(distinct, owner: owner, in: try NetworkNamespace(path: namespacePath))
            let words = distinct.map { "\($0)" }.joined(separator: ", ")
            log.append("echo: TCP and UDP \(words)\n".utf8, to: .output, at: .now())
        default: throw PodRuntimeError("the node has no built-in workload \"\(name)\"")
        }
    }

    /// Ends it; only the first call counts.
    func end(exitCode: Int32) {
        let isFirst = hasEnded.withLock { hasEnded in
            defer { hasEnded = true }
            return !hasEnded
        }
        guard isFirst else { return }
        receivers.close(owner)
        log.finish(at: .now())
        let ended = ended
        startThread("container-end") { ended(ContainerExit(exitCode: exitCode)) }
    }
}
