import Glibc
import Kubelet
import KubeletService
import LinuxKernel
import NodeProtocol
import Prober
import Synchronization

/// The node's kubelet, which begins with the first configuration that has one and runs as long as the node.
final class NodeKubelet: Sendable {
    private let running = Mutex<(configuration: KubeletConfiguration, task: Task<Void, Never>)?>(nil)
    private let pods: Pods
    private let children: ChildProcesses
    private let receivers: Receivers
    private let agent: AgentProcess
    private let real: RealKubeletNode
    private let events: @Sendable (NodeEvent) -> Void

    init(
        pods: Pods, children: ChildProcesses, receivers: Receivers, agent: AgentProcess,
        events: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.agent = agent
        self.pods = pods
        self.children = children
        self.receivers = receivers
        self.events = events
        real = RealKubeletNode(pods: pods, children: children, receivers: receivers, events: events)
    }

    /// Starts the kubelet. One that runs with another configuration ends before.
    func configure(_ wanted: NodeConfiguration) throws {
        guard let configuration = wanted.kubelet else { return }
        if configuration.implementation == .real {
            return try real.configure(
                configuration, conflists: wanted.conflistDirectory, plugins: wanted.pluginDirectory)
        }
        if running.withLock({ $0?.configuration == configuration }) { return }
        let events = events
        let runtime = NodePodRuntime(
            pods: pods, children: children, receivers: receivers,
            directory: ConflistDirectory(path: wanted.conflistDirectory), pluginDirectory: wanted.pluginDirectory,
            agent: wanted.isAgentInPod ? .init(process: agent, command: wanted.agentCommand) : nil)
        let service = try KubeletService(
            configuration, machine: try Self.machine(configuration), runtime: runtime
        ) { events(.log(source: "kubelet", line: $0)) }
        let before = running.withLock { running in
            defer { running = (configuration, Task { await service.run() }) }
            return running?.task
        }
        before?.cancel()
    }

    private static func machine(_ configuration: KubeletConfiguration) throws -> KubeletService.Machine {
        let bootID = trimmed(try readTextFile("/proc/sys/kernel/random/boot_id"))
        let kernel = trimmed(try readTextFile("/proc/sys/kernel/osrelease"))
        let memory = MemoryInfo.total(try readTextFile("/proc/meminfo")) ?? 0
        let machineID = String(bootID.filter { $0 != "-" })
        let system = NodeSystem(
            machineID: machineID, systemUUID: bootID, bootID: bootID, kernelVersion: kernel,
            osImage: "labrun node (Debian kernel)", containerRuntimeVersion: "labrun://1.0")
        let processors = Int64(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let resources = NodeResources(
            milliCPU: configuration.capacity["cpu"].flatMap(Self.milliCPU) ?? processors * 1000,
            memory: configuration.capacity["memory"].flatMap(Self.bytes) ?? memory,
            ephemeralStorage: configuration.capacity["ephemeral-storage"].flatMap(Self.bytes) ?? memory / 2,
            pods: Int64(configuration.maximumPods))
        return KubeletService.Machine(
            system: system, resources: resources, memory: memory,
            hostsFile: "127.0.0.1\tlocalhost\n\(configuration.address)\t\(configuration.nodeName)\n")
    }

    /// `2`, `500m`.
    static func milliCPU(_ text: String) -> Int64? {
        if text.hasSuffix("m") { return Int64(text.dropLast()) }
        return Int64(text).flatMap { $0.multipliedReportingOverflow(by: 1000).overflow ? nil : $0 * 1000 }
    }

    /// `4Gi`, `512Mi`, `1024Ki`, `1000`.
    static func bytes(_ text: String) -> Int64? {
        let units: [(String, Int64)] = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40)]
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let number = Int64(text.dropLast(2)) else { return nil }
            let (product, overflows) = number.multipliedReportingOverflow(by: factor)
            return overflows ? nil : product
        }
        return Int64(text)
    }
}
