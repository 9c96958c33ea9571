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

    let plan: ContainerPlan
    private let owner: NodeProtocol.PodReference
    private let receivers: Receivers
    private let log: ContainerLog
    private let ended: @Sendable (ContainerExit) -> Void
    private let hasEnded = Mutex(false)
    /// What programs that are executed in it see as their files; nil before the first one.
    private let root = Mutex<ContainerRoot?>(nil)

    /// - Throws: `PodRuntimeError` for a workload that the node does not have; `SystemError` when a port is taken.
    init(
        _ name: String, _ plan: ContainerPlan, namespacePath: String, receivers: Receivers, log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        self.plan = plan
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

    /// Returns the root of programs that are executed in it: the userland, with the pod's name servers, hosts and name.
    ///
    /// - Throws: `SystemError` when it cannot be made; `PodRuntimeError` when the container has ended.
    func rootOfExecutions(resolver: String, hostname: String) throws -> ContainerRoot {
        try root.withLock { root in
            if let root { return root }
            guard !hasEnded.withLock({ $0 }) else {
                throw PodRuntimeError("container not running (\(plan.identity.id))")
            }
            let made = ContainerRoot(plan.identity)
            try made.make(resolver: resolver, hosts: plan.hostsFile, hostname: hostname)
            root = made
            return made
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
        root.withLock { root in
            root?.remove()
            root = nil
        }
        log.finish(at: .now())
        let ended = ended
        startThread("container-end") { ended(ContainerExit(exitCode: exitCode)) }
    }
}
