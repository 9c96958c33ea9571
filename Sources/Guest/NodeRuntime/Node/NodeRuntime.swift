import CNodeShim
import Files
import Glibc
import LinuxKernel
import NodeProtocol
import Prober
import Synchronization

/// PID 1 of a node: boots it, then does what the lab host asks over the channel.
public final class NodeRuntime: Sendable {
    private let children = ChildProcesses(reapsAll: true)
    private let receivers: Receivers
    private let pods: Pods
    private let streams = Streams()
    private let agent: AgentProcess
    private let kubelet: NodeKubelet
    private let server: NodeServer
    private let channel: GuestChannel
    private let configuration = Mutex<NodeConfiguration?>(nil)
    private let bootID: String
    private let kernel: String

    /// Runs the node, and never returns: a failure of the runtime itself ends the node with a message on its console.
    /// When the process was started under another name (`modprobe`, `labrun-container`, a CNI plugin) it does what that
    /// name stands for.
    public static func main() -> Never {
        switch CommandLine.arguments.first?.split(separator: "/").last.map(String.init) {
        case "modprobe"?: ModuleDemand.main(CommandLine.arguments.dropFirst())
        case ContainerEntry.programName?: ContainerEntry.main()
        case RootEntry.programName?: RootEntry.main()
        default: break
        }
        do {
            try NodeBoot.mountFilesystems()
            let failures = NodeBoot.loadModules()
            for failure in failures { Console.say(failure) }
            try NodeBoot.raiseLimits()
            let runtime = try NodeRuntime()
            Console.say("runtime ready, uptime \(uptimeMillis()) ms")
            try runtime.serve()
            Console.fatal("the channel ended")
        } catch {
            Console.fatal("\(error)")
        }
    }

    private init() throws {
        let port = try GuestChannel.findPort(name: NodePaths.channelName)
        let channel = try GuestChannel(path: port)
        let server = NodeServer(channel: channel)
        receivers = try Receivers()
        pods = Pods(children: children, receivers: receivers) { server.send($0) }
        agent = AgentProcess(children: children) { server.send($0) }
        kubelet = NodeKubelet(pods: pods, children: children, receivers: receivers, agent: agent) { server.send($0) }
        self.channel = channel
        self.server = server
        bootID = trimmed(try readTextFile("/proc/sys/kernel/random/boot_id"))
        kernel = trimmed(try readTextFile("/proc/sys/kernel/osrelease"))
    }

    private func serve() throws {
        try server.run(
            describe: { self.hello }, present: { self.presentState }, handle: { try self.handle($0) })
    }

    /// Events that describe agent and network as they are now; none before the node was configured.
    private var presentState: [NodeEvent] {
        guard let wanted = configuration.withLock({ $0 }) else { return [] }
        let agent = agent.current
        return (agent.starts > 0 ? [.agent(agent)] : [])
            + [.network(conflist: ConflistDirectory(path: wanted.conflistDirectory).first()?.path)]
            + pods.containers.map { .container($0) }
    }

    private var hello: HelloReply {
        HelloReply(
            version: Int(Frame.version), bootID: bootID, kernel: kernel, uptimeMillis: uptimeMillis(),
            configured: configuration.withLock { $0 != nil })
    }

    private func handle(_ request: NodeRequest) throws -> (NodeReply, blob: [UInt8]) {
        switch request {
        case .probe(let plan):
            let (summary, results) = try ProbeRun(plan, namespacePath: Pods.namespacePath).run()
            let answers =
                plan.requests.isEmpty ? [] : try RequestRun(plan, namespacePath: Pods.namespacePath).run()
            return (.probe(summary), ProbeResults.encode(results + answers))
        case .sightings(let plan):
            let sightings = receivers.sightings(plan: plan)
            return (.sightings(count: sightings.count), Sightings.encode(sightings))
        case .agentCall(let call):
            let reply = try AgentSocket.call(
                call.line, path: configured().agentSocket, within: .milliseconds(call.deadlineMillis))
            return (.agentReply, reply)
        default: return (try answer(request), [])
        }
    }

    private func answer(_ request: NodeRequest) throws -> NodeReply {
        switch request {
        case .hello: return .hello(hello)
        case .configure(let wanted): try configure(wanted)
        case .startAgent: return .agent(try startAgent())
        case .createPod(let spec): return .pod(try createPod(spec))
        case .deletePod(let pod): try pods.delete(pod)
        case .openStreams(let plan): try streams.open(plan, namespacePath: Pods.namespacePath)
        case .readStreams(let id): return .streams(try streams.read(id))
        case .closeStreams(let id): try streams.close(id)
        case .operate(let operation): return .reading(try NodeOperations(agent: agent).carryOut(operation))
        case .snapshot: return .snapshot(try snapshot())
        case .uptime: return .uptime(milliseconds: uptimeMillis())
        case .podInterfaces: return .podInterfaces(pods.interfaces())
        case .execute(let command): return .executed(try execute(command))
        case .podExec(let command): return .executed(try pods.execute(command))
        case .powerOff: powerOff()
        case .probe, .sightings, .agentCall: break  // `handle` answers them, with bytes beside the reply
        }
        return .done
    }

    private func configured() throws -> NodeConfiguration {
        guard let configuration = configuration.withLock({ $0 }) else {
            throw NodeFailure(code: "not-configured", message: "the node has not been configured")
        }
        return configuration
    }

    private func configure(_ wanted: NodeConfiguration) throws {
        try check("clock_settime") { node_set_clock(wanted.clockNanoseconds) }
        try writeTextFile("/proc/sys/kernel/hostname", wanted.name)
        try NodeNetwork.apply(wanted.interfaces)
        try writeAgentConfig(wanted)
        try writeCloudConflist(wanted)
        let before = configuration.withLock { configuration in
            defer { configuration = wanted }
            return configuration
        }
        if before?.nodePort != wanted.nodePort { try receivers.openHost(port: wanted.nodePort) }
        if before?.conflistDirectory != wanted.conflistDirectory {
            let server = server
            try ConflistWatch.start(ConflistDirectory(path: wanted.conflistDirectory)) {
                server.send(.network(conflist: $0))
            }
        }
        try kubelet.configure(wanted)
    }

    private func writeAgentConfig(_ wanted: NodeConfiguration) throws {
        guard let slash = wanted.agentConfigPath.lastIndex(of: "/") else { return }
        try? Directories.make(String(wanted.agentConfigPath[..<slash]))
        try writeTextFile(wanted.agentConfigPath, wanted.agentConfig)
    }

    /// Writes the conflist of the cloud's own CNI plugin, which a cloud's image has before any agent runs.
    private func writeCloudConflist(_ wanted: NodeConfiguration) throws {
        guard let text = wanted.cloudConflist else { return }
        let path = "\(wanted.conflistDirectory)/\(NodeConfiguration.cloudConflistName)"
        try? Directories.make(wanted.conflistDirectory)
        if (try? readTextFile(path)) != text { try writeTextFile(path, text) }
    }

    private func startAgent() throws -> AgentState {
        let wanted = try configured()
        guard !wanted.isAgentInPod else {
            throw NodeFailure(
                code: "not-ours", message: "the agent is a DaemonSet's pod, which the node's kubelet starts")
        }
        try writeAgentConfig(wanted)
        return try agent.start(wanted.agentCommand)
    }

    private func createPod(_ spec: PodSpec) throws -> PodStatus {
        let wanted = try configured()
        return try pods.create(
            spec, directory: ConflistDirectory(path: wanted.conflistDirectory), pluginDirectory: wanted.pluginDirectory)
    }

    private func snapshot() throws -> NodeSnapshot {
        let directory = configuration.withLock { $0 }.map { ConflistDirectory(path: $0.conflistDirectory) }
        return try NodeSnapshots.take(
            pods: pods.statuses, conflists: directory, agentRunning: agent.current.running)
    }

    private func execute(_ command: Execute) throws -> Executed {
        guard command.arguments.first?.hasPrefix("/") == true else {
            throw NodeFailure(code: "bad-request", message: "not an absolute path: \(command.arguments.first ?? "")")
        }
        do {
            let result = try children.run(
                command.arguments, environment: NodeEnvironment.variables,
                within: .milliseconds(command.deadlineMillis))
            return Executed(result)
        } catch let timeout as ProgramTimeout {
            throw NodeFailure(code: "timeout", message: timeout.description)
        }
    }

    /// Switches the node off once the reply has been handed to the host.
    private func powerOff() {
        let channel = channel
        startThread("power-off") {
            channel.flush(until: .after(.seconds(2)))
            sync()
            _ = node_power_off()
            Console.fatal("\(SystemError.last("reboot", "power off"))")
        }
    }
}

extension Executed {
    init(_ result: ProgramResult) {
        let status =
            switch result.status {
            case .exited(let code): code
            case .signalled(let number): 128 + number
            }
        self.init(
            status: status, output: String(decoding: result.output, as: UTF8.self),
            errorOutput: String(decoding: result.errorOutput, as: UTF8.self))
    }
}

/// Milliseconds since the kernel started.
private func uptimeMillis() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
