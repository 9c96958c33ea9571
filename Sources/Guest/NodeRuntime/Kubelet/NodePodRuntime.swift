import Files
import Glibc
import JSON
import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import NodeProtocol
import PodWorkloads
import Prober
import Synchronization

/// Carries a cluster's pods out on this node: sandboxes by the CNI plugins and `Pods`, containers as programs of the
/// userland or as the prober's receivers.
final class NodePodRuntime: PodRuntime {
    private struct Sandbox: Sendable {
        let plan: SandboxPlan
        let network: SandboxNetwork
    }

    /// The agent that a DaemonSet's pod runs, and its command line.
    struct Agent: Sendable {
        var process: AgentProcess
        var command: [String]
    }

    private enum Container: Sendable {
        case program(ProgramContainer)
        case builtIn(BuiltInContainer)
        case agent(AgentContainer)
    }

    private let pods: Pods
    private let children: ChildProcesses
    private let receivers: Receivers
    private let directory: ConflistDirectory
    private let pluginDirectory: String
    private let agent: Agent?
    private let secure = SecureServer()
    private static let hostNamespace = "/proc/self/ns/net"

    private let sandboxes = Mutex<[String: Sandbox]>([:])
    private let containers = Mutex<[ContainerIdentity: Container]>([:])

    /// - Parameter agent: Nil where the node's own runtime starts the agent.
    init(
        pods: Pods, children: ChildProcesses, receivers: Receivers, directory: ConflistDirectory,
        pluginDirectory: String, agent: Agent?
    ) {
        self.agent = agent
        self.pods = pods
        self.children = children
        self.receivers = receivers
        self.directory = directory
        self.pluginDirectory = pluginDirectory
    }

    // MARK: Network

    func watchNetwork(_ changed: @escaping @Sendable (String?) -> Void) throws {
        if directory.first() == nil { changed("cni plugin not initialized") }
        try ConflistWatch.start(directory) { changed($0 == nil ? "cni plugin not initialized" : nil) }
    }

    func makeSandbox(_ plan: SandboxPlan) throws -> SandboxNetwork {
        if let sandbox = sandboxes.withLock({ $0[plan.pod.uid] }) { return sandbox.network }
        try checkNames(plan.pod)
        ContainerGroups.makePod(plan.pod, plan.controlGroup)
        var network = SandboxNetwork(addresses: [])
        if plan.isHostNetwork {
            // Probes are sent from pods by the paths of their namespaces.
            let path = Pods.namespacePath(plan.pod.reference)
            try? unmountFilesystem(path, lazily: true)
            unlink(path)
            try NetworkNamespace(path: Self.hostNamespace).bind(to: path)
        } else {
            let spec = PodSpec(
                namespace: plan.pod.namespace, name: plan.pod.name, uid: plan.pod.uid, labels: plan.labels, port: 0)
            let status = try pods.create(
                spec, containerID: plan.id, runtime: Self.runtimeConfiguration(plan), directory: directory,
                pluginDirectory: pluginDirectory)
            guard let address = status.address else {
                throw PodRuntimeError(status.message ?? "no address")
            }
            network.addresses = [address]
            do {
                try apply(plan.sysctls, plan.pod)
            } catch {
                try? pods.delete(plan.pod.reference)
                throw error
            }
        }
        sandboxes.withLock { [network] in $0[plan.pod.uid] = Sandbox(plan: plan, network: network) }
        return network
    }

    /// What CNI plugins with the capability get (CNI's conventions: `portMappings`).
    static func runtimeConfiguration(_ plan: SandboxPlan) -> [String: JSONValue] {
        guard !plan.portMappings.isEmpty else { return [:] }
        return [
            "portMappings": .array(
                plan.portMappings.map { port in
                    .object([
                        "hostPort": .integer(Int64(port.hostPort)),
                        "containerPort": .integer(Int64(port.containerPort)),
                        "protocol": .string(port.protocolName.lowercased()), "hostIP": .string(port.hostIP),
                    ])
                })
        ]
    }

    /// Refuses what would be a path of another place: names and UIDs are parts of paths here.
    private func checkNames(_ pod: PodIdentity) throws {
        try pods.checkName(pod.reference)
        let isUID =
            pod.uid.utf8.count <= 64 && pod.uid.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        guard isUID, !pod.uid.isEmpty else { throw PodRuntimeError("not a UID: \(pod.uid)") }
    }

    /// - Throws: `PodRuntimeError`, in runc's words, for what the pod's network does not have or does not take.
    private func apply(_ sysctls: [String: String], _ pod: PodIdentity) throws {
        guard !sysctls.isEmpty else { return }
        try NetworkNamespace(path: Pods.namespacePath(pod.reference)).run {
            for (name, value) in sysctls.sorted(by: { $0.key < $1.key }) {
                guard !name.contains("/") else { throw PodRuntimeError("write sysctl key \(name): not a name") }
                do {
                    try writeTextFile("/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 }), value)
                } catch {
                    throw PodRuntimeError("write sysctl key \(name): \(error)")
                }
            }
        }
    }

    func removeSandbox(_ pod: PodIdentity) throws {
        let sandbox = sandboxes.withLock { $0.removeValue(forKey: pod.uid) }
        if let sandbox, sandbox.plan.isHostNetwork {
            let path = Pods.namespacePath(sandbox.plan.pod.reference)
            try? unmountFilesystem(path, lazily: true)
            unlink(path)
        } else if sandbox != nil {
            do {
                try pods.delete(pod.reference)
            } catch let failure as NodeFailure where failure.code == "plugin-failed" {
                // The namespace is gone all the same, and DEL is not run again.
                Console.say("pod \(pod): \(failure)")
            }
        }
        rmdir(ContainerGroups.path(pod))
    }

    func connect(_ pod: PodIdentity, port: UInt16) throws -> Int32 {
        guard let sandbox = sandboxes.withLock({ $0[pod.uid] }) else {
            throw PodRuntimeError("no sandbox of pod \(pod)")
        }
        let path = Pods.namespacePath(sandbox.plan.pod.reference)
        return try NetworkNamespace(path: path).run { try LoopbackConnection.open(port: port) }
    }

    // MARK: Volumes

    func mountVolumes(_ pod: PodIdentity, _ volumes: [VolumePlan]) throws {
        try checkNames(pod)
        let folder = VolumeFolder(PodFolders.volumes(pod))
        for volume in volumes { try folder.make(volume) }
    }

    func updateVolume(_ pod: PodIdentity, _ volume: VolumePlan) throws {
        try VolumeFolder(PodFolders.volumes(pod)).make(volume)
    }

    func forgetPod(_ pod: PodIdentity) {
        VolumeFolder(PodFolders.volumes(pod)).remove()
        FileTree.remove(PodFolders.path(pod))
        rmdir(ContainerGroups.path(pod))
    }

    // MARK: Containers

    func startContainer(
        _ plan: ContainerPlan, log: ContainerLog, ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        guard let sandbox = sandboxes.withLock({ $0[plan.identity.pod.uid] }) else {
            throw PodRuntimeError("no sandbox of pod \(plan.identity.pod)")
        }
        let isHostNetwork = sandbox.plan.isHostNetwork
        let ended: @Sendable (ContainerExit) -> Void = { exit in
            self.containers.withLock { $0[plan.identity] = nil }
            ended(exit)
        }
        switch plan.workload {
        case .builtIn(AgentContainer.workload):
            let work = try startAgent(plan, isHostNetwork: isHostNetwork, log: log, ended: ended)
            containers.withLock { $0[plan.identity] = .agent(work) }
        case .builtIn(let name):
            let place = BuiltInWorkload.Place(
                namespacePath: Pods.namespacePath(plan.identity.pod.reference), receivers: receivers, secure: secure,
                file: { [self] in try file($0, of: plan) })
            let work = try BuiltInContainer(name, plan, in: place, log: log, ended: ended)
            containers.withLock { $0[plan.identity] = .builtIn(work) }
        case .program:
            try pods.disk.mount()
            let place = ProgramContainer.Place(
                networkNamespace: isHostNetwork ? nil : Pods.namespacePath(plan.identity.pod.reference),
                hostname: sandbox.plan.hostname, resolver: sandbox.plan.resolver)
            let program = try ProgramContainer(plan, in: place, mounts: try mounts(plan), children: children)
            containers.withLock { $0[plan.identity] = .program(program) }
            // Only now: its end is not told before it is known.
            program.follow(log, ended: ended)
        }
    }

    private func startAgent(
        _ plan: ContainerPlan, isHostNetwork: Bool, log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws -> AgentContainer {
        guard let agent else {
            throw PodRuntimeError(
                "the agent of this node is no pod's: its lab has \"datapath: {install: process}\"")
        }
        guard isHostNetwork, plan.isPrivileged else {
            throw PodRuntimeError("the agent needs hostNetwork and a privileged container")
        }
        return try AgentContainer(
            plan, agent: agent.process, command: agent.command, mounts: try mounts(plan), log: log, ended: ended)
    }

    /// Where a file of a container is on the node; nil if none of its volumes has it.
    private func file(_ path: String, of plan: ContainerPlan) throws -> String? {
        guard !path.split(separator: "/").contains("..") else { return nil }
        let mounts = try mounts(plan).filter { path == $0.target || path.hasPrefix($0.target + "/") }
        // The innermost mount hides the others.
        guard let mount = mounts.max(by: { $0.target.count < $1.target.count }) else { return nil }
        return mount.source + path.dropFirst(mount.target.count)
    }

    private func mounts(_ plan: ContainerPlan) throws -> [ContainerMount] {
        let folder = VolumeFolder(PodFolders.volumes(plan.identity.pod))
        return try plan.mounts.map { mount in
            ContainerMount(
                source: try folder.source(of: mount.volume, subPath: mount.subPath), target: mount.path,
                readOnly: mount.isReadOnly)
        }
    }

    private func find(_ container: ContainerIdentity) -> Container? { containers.withLock { $0[container] } }

    func signal(_ container: ContainerIdentity, _ number: Int32) {
        switch find(container) {
        case .program(let program)?: program.signal(number)
        case .builtIn(let work)?: work.end(exitCode: 0)
        case .agent(let work)?: work.signal(number)
        case nil: break
        }
    }

    func kill(_ container: ContainerIdentity) {
        switch find(container) {
        case .program(let program)?: program.kill()
        case .builtIn(let work)?: work.end(exitCode: 137)
        case .agent(let work)?: work.kill()
        case nil: break
        }
    }

    func input(of container: ContainerIdentity) -> (any ProgramInput)? {
        if case .program(let program)? = find(container) { program.streams } else { nil }
    }

    func execute(_ plan: ExecutionPlan) throws -> any RunningExecution {
        switch find(plan.container) {
        case .program(let program)?:
            return try ProgramExecution(program.execution(plan), plan, children: children)
        case .builtIn(let work)?:
            // A built-in workload is no process that could be joined. Its programs get the files that one would have.
            guard let sandbox = sandboxes.withLock({ $0[plan.container.pod.uid] }) else {
                throw PodRuntimeError("no sandbox of pod \(plan.container.pod)")
            }
            try pods.disk.mount()
            let root = try work.rootOfExecutions(resolver: sandbox.plan.resolver, hostname: sandbox.plan.hostname)
            var entry = ContainerEntry(
                root: root.path,
                networkNamespace: sandbox.plan.isHostNetwork
                    ? nil : Pods.namespacePath(plan.container.pod.reference),
                controlGroup: nil, hostname: sandbox.plan.hostname, sharesRun: false, arguments: plan.arguments,
                environment: NodeEnvironment.variables)
            entry.mounts = try mounts(work.plan)
            entry.keepsInput = plan.hasStdin || plan.hasTerminal
            entry.hasTerminal = plan.hasTerminal
            return try ProgramExecution(entry, plan, children: children)
        case .agent(let work)?:
            return try ProgramExecution(try work.execution(plan), plan, children: children)
        case nil:
            throw PodRuntimeError("container not running (\(plan.container.id))")
        }
    }

    func usage() -> NodeUsage? {
        guard let text = try? readTextFile("/proc/meminfo"), let available = MemoryInfo.available(text) else {
            return nil
        }
        var usage = NodeUsage(memoryAvailable: available)
        for pod in sandboxes.withLock({ $0.values.map(\.plan.pod) }) {
            usage.podMemory[pod.uid] = ContainerGroups.workingSet(ContainerGroups.path(pod))
        }
        for container in containers.withLock({ Array($0.keys) }) {
            // A run that is over has no group any more.
            guard let bytes = ContainerGroups.workingSet(ContainerGroups.path(container)) else { continue }
            usage.containerMemory[container.pod.uid, default: [:]][container.name] = bytes
        }
        return usage
    }
}

extension PodIdentity {
    var reference: NodeProtocol.PodReference { NodeProtocol.PodReference(namespace: namespace, name: name) }
}

/// `/proc/meminfo`, in bytes.
enum MemoryInfo {
    /// What a kubelet calls `memory.available`: all memory but the working set, which is what is used but for file pages
    /// that nobody has used lately. It is less than the kernel's own estimate (`MemAvailable`).
    static func available(_ text: String) -> Int64? {
        guard let free = value("MemFree:", text), let inactive = value("Inactive(file):", text) else { return nil }
        return free + inactive
    }
    static func total(_ text: String) -> Int64? { value("MemTotal:", text) }

    private static func value(_ key: String, _ text: String) -> Int64? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            guard let number = line.split(separator: " ").dropFirst().first.flatMap({ Int64($0) }),
                (0...1 << 40).contains(number)
            else { return nil }
            return number * 1024
        }
        return nil
    }
}
