#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CNI
import CNodeShim
import Glibc
import JSON
import LinuxKernel
import Netlink
import NodeProtocol
import Prober
import Synchronization

/// The pods of this node. Each is a network namespace that CNI plugins have attached, with receivers for probes in it.
final class Pods: Sendable {
    /// How many attachments are made at once. More would only share the node's one CPU and its memory.
    static let parallelism = 4

    private struct Pod: Sendable {
        let spec: PodSpec
        let status: PodStatus
        let attachment: Attachment
        /// Nil for a pod that another runtime on this node has attached, and detaches.
        let run: PluginRun?
        let result: JSONValue
        /// Nil as long as the pod has run no program.
        var containers: Containers?
    }

    private let children: ChildProcesses
    private let receivers: Receivers
    private let gate = Gate(Pods.parallelism)
    private let pods = Mutex<[PodReference: Pod]>([:])
    /// Pods being made or removed.
    private let busy = Mutex<Set<PodReference>>([])
    let disk = UserlandDisk()
    private let events: @Sendable (NodeEvent) -> Void

    init(
        children: ChildProcesses, receivers: Receivers, events: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.children = children
        self.receivers = receivers
        self.events = events
    }

    static func namespacePath(_ pod: PodReference) -> String {
        "\(NodePaths.networkNamespaces)/\(pod.namespace)_\(pod.name)"
    }

    var statuses: [PodStatus] {
        pods.withLock { $0.values.map(\.status) }.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
    }

    /// The interfaces by which pods are attached. Pods without one are left out.
    func interfaces() -> [PodInterface] {
        let attachments = pods.withLock { pods in pods.mapValues(\.attachment) }
        return attachments.compactMap { reference, attachment in
            let name = attachment.interface
            let link = try? NetworkNamespace(path: attachment.namespacePath).run {
                try NetlinkSocket().findLink(named: name)
            }
            guard let link = link.flatMap({ $0 }) else { return nil }
            return PodInterface(
                pod: reference, name: link.name, kind: link.kind, mac: link.mac?.description ?? "")
        }.sorted { ($0.pod.namespace, $0.pod.name) < ($1.pod.namespace, $1.pod.name) }
    }

    /// Makes a pod, or answers the one that is there. A pod that cannot be attached is undone and answered as
    /// `ContainerCreating`, with the reason; the caller asks again later, as a kubelet does.
    ///
    /// - Parameters:
    ///   - containerID: What plugins are told as the container's id, in place of one made of the pod's names.
    ///   - runtime: What plugins are told that have the capability.
    func create(
        _ spec: PodSpec, containerID: String? = nil, runtime: [String: JSONValue] = [:], directory: ConflistDirectory,
        pluginDirectory: String
    ) throws -> PodStatus {
        let reference = PodReference(namespace: spec.namespace, name: spec.name)
        try checkName(reference)
        return try exclusively(reference) {
            if let pod = pods.withLock({ $0[reference] }) {
                guard pod.spec.uid == spec.uid else {
                    throw NodeFailure(
                        code: "busy", message: "an earlier \(spec.namespace)/\(spec.name) has not been removed")
                }
                return pod.status
            }
            guard let configuration = directory.first() else {
                return waiting(spec, "no networks found in \(directory.path)")
            }
            var run = PluginRun(children: children, configuration: configuration, pluginDirectory: pluginDirectory)
            // A kubelet's calls are of interest; those of the harness follow from its requests.
            if containerID != nil { run.log = { [events] in events(.log(source: "cni", line: $0)) } }
            let path = Self.namespacePath(reference)
            var attachment = Attachment(pod: spec, containerID: containerID, namespacePath: path)
            attachment.runtime = runtime
            return try attach(spec, reference, attachment, run)
        }
    }

    private func attach(
        _ spec: PodSpec, _ reference: PodReference, _ attachment: Attachment, _ run: PluginRun
    ) throws -> PodStatus {
        let path = attachment.namespacePath
        removeNamespace(path)
        let namespace = try NetworkNamespace.create()
        try namespace.bind(to: path)
        try namespace.run { _ = try check("lo", path) { node_loopback_up() } }
        do {
            let result = try gate.pass { try run.add(attachment) }
            guard let address = result.firstAddress else {
                throw PluginError(
                    plugin: run.configuration.name, command: "ADD", code: nil, message: "a result without address")
            }
            if spec.port == 0 {
                try receivers.openEchoes(reference, in: namespace)
            } else {
                try receivers.open(reference, port: spec.port, in: namespace)
            }
            let status = PodStatus(
                namespace: spec.namespace, name: spec.name, address: address, phase: "Running", message: nil)
            var pod = Pod(spec: spec, status: status, attachment: attachment, run: run, result: result)
            if !spec.containers.isEmpty { pod.containers = try prepare(pod) }
            pods.withLock { $0[reference] = pod }
            pod.containers?.start()
            return status
        } catch {
            receivers.close(reference)
            _ = run.delete(attachment, previous: nil)
            removeNamespace(path)
            return waiting(spec, "\(error)")
        }
    }

    /// Removes a pod. That it is not there is no failure, and its namespace is removed even when DEL fails.
    /// - Throws: `NodeFailure` `plugin-failed` after the removal, when DEL failed.
    func delete(_ reference: PodReference) throws {
        try checkName(reference)
        try exclusively(reference) {
            guard let pod = pods.withLock({ $0[reference] }) else { return }
            guard let run = pod.run else {
                throw NodeFailure(code: "not-ours", message: "pod \(reference) is another runtime's")
            }
            pods.withLock { $0[reference] = nil }
            receivers.close(reference)
            pod.containers?.end()
            let failures = gate.pass { run.delete(pod.attachment, previous: pod.result) }
            removeNamespace(pod.attachment.namespacePath)
            guard failures.isEmpty else {
                throw NodeFailure(
                    code: "plugin-failed",
                    message: "the namespace is gone, but: " + failures.map { "\($0)" }.joined(separator: "; "))
            }
        }
    }

    // MARK: Pods of another runtime

    /// Takes note of a pod that another runtime has attached to a network, so that it can be probed. An earlier sandbox
    /// of the pod is forgotten.
    func adopt(
        _ reference: PodReference, uid: String, containerID: String, namespacePath: String, address: String
    ) throws {
        try checkName(reference)
        forget(reference)
        let spec = PodSpec(namespace: reference.namespace, name: reference.name, uid: uid, labels: [:], port: 0)
        let namespace = try NetworkNamespace(path: namespacePath)
        let path = Self.namespacePath(reference)
        removeNamespace(path)
        try namespace.bind(to: path)
        try receivers.openEchoes(reference, in: namespace)
        let status = PodStatus(
            namespace: spec.namespace, name: spec.name, address: address, phase: "Running", message: nil)
        let pod = Pod(
            spec: spec, status: status,
            attachment: Attachment(pod: spec, containerID: containerID, namespacePath: path), run: nil,
            result: .object([:]))
        pods.withLock { $0[reference] = pod }
    }

    /// Forgets a pod that another runtime has detached, unless that was an earlier sandbox of the pod.
    func release(_ reference: PodReference, containerID: String) {
        let isPresent = pods.withLock {
            $0[reference].map { $0.run == nil && $0.attachment.containerID == containerID }
        }
        if isPresent == true { forget(reference) }
    }

    private func forget(_ reference: PodReference) {
        guard let pod = pods.withLock({ $0.removeValue(forKey: reference) }) else { return }
        receivers.close(reference)
        pod.containers?.end()
        removeNamespace(Self.namespacePath(reference))
    }

    /// Lets probes be sent from a pod that has the node's own network.
    func bindHostNamespace(_ reference: PodReference) throws {
        let path = Self.namespacePath(reference)
        removeNamespace(path)
        try NetworkNamespace(path: "/proc/self/ns/net").bind(to: path)
    }

    func unbindHostNamespace(_ reference: PodReference) { removeNamespace(Self.namespacePath(reference)) }

    // MARK: Programs

    /// The present state of every program of every pod.
    var containers: [ContainerState] {
        pods.withLock { $0.values.compactMap(\.containers) }.flatMap(\.current)
    }

    private func prepare(_ pod: Pod) throws -> Containers {
        try disk.mount()
        return try Containers(pod.spec, address: pod.status.address ?? "", children: children, events: events)
    }

    /// Runs a program of the userland to its end.
    /// - Throws: `NodeFailure` `no-pod`, `no-userland`, `timeout`; `SystemError`.
    func execute(_ command: PodExec) throws -> Executed {
        guard !command.arguments.isEmpty else {
            throw NodeFailure(code: "bad-request", message: "no program to run")
        }
        let entry: ContainerEntry
        if let reference = command.pod {
            entry = try containers(of: reference).entry(command.arguments, input: command.input)
        } else {
            try disk.mount()
            entry = ContainerEntry(
                root: UserlandDisk.mountPoint, networkNamespace: nil, controlGroup: nil, hostname: nil, sharesRun: true,
                arguments: command.arguments, environment: NodeEnvironment.variables, input: command.input)
        }
        do {
            return Executed(
                try children.run(
                    [ContainerEntry.program], environment: NodeEnvironment.variables,
                    input: Array(try JSONEncoder().encode(entry)), within: .milliseconds(command.deadlineMillis)))
        } catch let timeout as ProgramTimeout {
            throw NodeFailure(
                code: "timeout",
                message: "\(command.arguments[0]) did not end within \(timeout.patience): \(timeout.output.suffix(400))"
            )
        }
    }

    private func containers(of reference: PodReference) throws -> Containers {
        try exclusively(reference) {
            guard var pod = pods.withLock({ $0[reference] }) else {
                throw NodeFailure(code: "no-pod", message: "no pod \(reference.namespace)/\(reference.name) runs here")
            }
            if let containers = pod.containers { return containers }
            let made = try prepare(pod)
            pod.containers = made
            pods.withLock { [pod] in $0[reference] = pod }
            return made
        }
    }

    private func waiting(_ spec: PodSpec, _ message: String) -> PodStatus {
        PodStatus(
            namespace: spec.namespace, name: spec.name, address: nil, phase: "ContainerCreating", message: message)
    }

    private func removeNamespace(_ path: String) {
        try? unmountFilesystem(path, lazily: true)
        unlink(path)
    }

    func checkName(_ pod: PodReference) throws {
        func isLabel(_ text: String) -> Bool {
            !text.isEmpty && text.utf8.count <= 253
                && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 46 }
        }
        guard isLabel(pod.namespace), isLabel(pod.name) else {
            throw NodeFailure(code: "bad-request", message: "not a pod's name: \(pod.namespace)/\(pod.name)")
        }
    }

    private func exclusively<Value>(_ pod: PodReference, _ body: () throws -> Value) throws -> Value {
        guard busy.withLock({ $0.insert(pod).inserted }) else {
            throw NodeFailure(code: "busy", message: "\(pod.namespace)/\(pod.name) is being made or removed")
        }
        defer { _ = busy.withLock { $0.remove(pod) } }
        return try body()
    }
}

/// Lets a number of threads through at once (a counting semaphore over eventfd(2)).
final class Gate: Sendable {
    private let slots: Int32

    init(_ count: Int) { slots = eventfd(UInt32(count), Int32(EFD_SEMAPHORE | EFD_CLOEXEC)) }
    deinit { close(slots) }

    func pass<Value>(_ body: () throws -> Value) rethrows -> Value {
        var one: eventfd_t = 0
        while eventfd_read(slots, &one) != 0 && errno == EINTR {}
        defer { eventfd_write(slots, 1) }
        return try body()
    }
}
