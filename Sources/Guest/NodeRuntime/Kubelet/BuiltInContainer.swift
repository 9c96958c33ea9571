import Glibc
import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import NodeProtocol
import Synchronization

/// A container whose work is one of the lab's own (``BuiltInWorkload``). There is no process.
final class BuiltInContainer: Sendable {
    let plan: ContainerPlan
    private let workload: BuiltInWorkload
    private let log: ContainerLog
    private let ended: @Sendable (ContainerExit) -> Void
    private let hasEnded = Mutex(false)
    /// What programs that are executed in it see as their files; nil before the first one.
    private let root = Mutex<ContainerRoot?>(nil)

    /// - Throws: what `BuiltInWorkload` throws.
    init(
        _ name: String, _ plan: ContainerPlan, in place: BuiltInWorkload.Place, log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        self.plan = plan
        let pod = plan.identity.pod
        self.log = log
        self.ended = ended
        workload = try BuiltInWorkload(
            .init(
                name: name, owner: .init(namespace: pod.namespace, name: "\(pod.name)/\(plan.identity.name)"),
                ports: plan.ports, environment: Dictionary(plan.environment.map { ($0.name, $0.value) }) { $1 }),
            in: place)
        if let words = workload.words { log.append("\(words)\n".utf8, to: .output, at: .now()) }
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
        workload.end()
        root.withLock { root in
            root?.remove()
            root = nil
        }
        log.finish(at: .now())
        let ended = ended
        startThread("container-end") { ended(ContainerExit(exitCode: exitCode)) }
    }
}
