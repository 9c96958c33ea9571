import CNI
import CNodeShim
import Files
import Glibc
import JSON
import Kubelet
import KubeletService
import LinuxKernel
import NodeProtocol
import PodWorkloads
import Prober
import RealKubelet
import Synchronization

/// A node whose pods are a real kubelet's, carried out by containerd and runc. The node's runtime serves them images,
/// runs their CNI plugins, and does the work of built-in images.
final class RealKubeletNode: Sendable {
    private struct Running: Sendable {
        var configuration: KubeletConfiguration
        var kubelet: SupervisedProgram
    }

    private let pods: Pods
    private let children: ChildProcesses
    private let receivers: Receivers
    private let events: @Sendable (NodeEvent) -> Void
    private let running = Mutex<Running?>(nil)
    private let secure = SecureServer()

    init(
        pods: Pods, children: ChildProcesses, receivers: Receivers, events: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.pods = pods
        self.children = children
        self.receivers = receivers
        self.events = events
    }

    /// Starts containerd and kubelet. A kubelet that runs with another configuration begins anew with this one.
    func configure(_ configuration: KubeletConfiguration, conflists: String, plugins: String) throws {
        let present = running.withLock { $0 }
        if present?.configuration == configuration { return }
        let files = KubeletFiles(configuration)
        if let present {
            try KubeletRoot.write(files.files)
            running.withLock { $0 = Running(configuration: configuration, kubelet: present.kubelet) }
            return present.kubelet.restart()
        }
        try pods.disk.mount()
        try KubeletRoot.make(conflists: conflists, plugins: plugins)
        let catalogue = try configuration.images.map { try ImageCatalogue(JSONText.value(of: Array($0.utf8))) }
        let port = try RegistryServer.start(ImageRegistry(catalogue ?? ImageCatalogue()))
        try KubeletRoot.write(ContainerdFiles.files(registryPort: port) + files.files)
        let calls = PluginCalls(pods: pods, children: children, plugins: plugins, events: events)
        try RuntimeSocket.serve(KubeletRoot.path + ContainerdFiles.runtimeSocket) { call, connection, process in
            switch call {
            case .plugin(let name, let environment, let input):
                calls.run(name, environment, input).send(to: connection)
            case .workload(let name): self.work(name, connection, process)
            }
        }
        for label in files.refusedLabels {
            events(.log(source: "kubelet", line: "a kubelet cannot give its node the label \(label)"))
        }
        // One processor is all that a node has, and its garbage is cheaper than the time to collect it.
        let environment = NodeEnvironment.variables + ["GOGC=400", "GOMAXPROCS=1"]
        let containerd = SupervisedProgram(
            "containerd", try RootEntry.command(ContainerdFiles.arguments), environment: environment,
            children: children, events: events)
        let kubelet = SupervisedProgram(
            "kubelet", try RootEntry.command(files.arguments), environment: environment, children: children,
            events: events)
        running.withLock { $0 = Running(configuration: configuration, kubelet: kubelet) }
        containerd.start()
        kubelet.start()
    }

    // MARK: Built-in workloads

    /// Works in place of a container until its process closes the connection.
    private func work(_ name: String, _ connection: borrowing FileDescriptor, _ process: Int32) {
        do {
            let bundle = try Self.bundle(of: process)
            let pod = NodeProtocol.PodReference(namespace: bundle.namespace, name: bundle.pod)
            try pods.checkName(pod)
            if bundle.isHostNetwork { try pods.bindHostNamespace(pod) }
            defer { if bundle.isHostNetwork { pods.unbindHostNamespace(pod) } }
            let workload = try BuiltInWorkload(
                .init(
                    name: name, owner: .init(namespace: pod.namespace, name: "\(pod.name)/\(bundle.container)"),
                    ports: bundle.ports, environment: bundle.environment),
                in: .init(
                    namespacePath: Pods.namespacePath(pod), receivers: receivers, secure: secure,
                    file: { path in bundle.source(of: path).map { KubeletRoot.path + $0 } }))
            defer { workload.end() }
            RuntimeReply(status: 0, output: workload.words.map { $0 + "\n" } ?? "").send(to: connection)
            while let bytes = try? connection.read(), !bytes.isEmpty {}
        } catch {
            RuntimeReply(status: 128, output: "", errorOutput: "\(error)\n").send(to: connection)
        }
    }

    /// - Throws: `PodRuntimeError` for a process of no container; `SystemError`.
    private static func bundle(of process: Int32) throws -> ContainerBundle {
        let groups = try readTextFile("/proc/\(process)/cgroup")
        guard let container = ContainerBundle.container(ofControlGroups: groups) else {
            throw PodRuntimeError("process \(process) is in no container: \(trimmed(groups))")
        }
        let text = try readTextFile(KubeletRoot.path + ContainerdFiles.bundle(container))
        guard let bundle = ContainerBundle(try JSONText.value(of: Array(text.utf8))) else {
            throw PodRuntimeError("container \(container) is no pod's")
        }
        return bundle
    }
}
