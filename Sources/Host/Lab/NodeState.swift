import NodeProtocol

/// What is known of a node, gathered from the hypervisor, the channel and the agent.
public struct NodeState: Sendable {
    public enum Power: String, Sendable { case off, running, paused, stopped }
    public var power: Power = .off
    /// Why the machine is stopped, in the hypervisor's words.
    public var powerReason = ""
    /// The runtime's hello of this boot; nil until it has answered.
    public var runtime: HelloReply?
    /// How many times the runtime has started. More than one means that the node rebooted.
    public var boots = 0
    public var agent: AgentState?
    /// The path of the conflist in force; nil while there is none.
    public var conflist: String?
    /// The last lines that the agent wrote, oldest first, at most 50.
    public var agentLines: [String] = []
    /// The last known states of the programs of its pods, by `NAMESPACE/POD/CONTAINER`.
    public var containers: [String: ContainerState] = [:]

    /// Whether the node's runtime can be asked.
    public var answers: Bool { power == .running && runtime != nil }

    public var isReady: Bool { power == .running && runtime != nil && agent?.running == true && conflist != nil }

    /// The state in a sentence, for the message of a timeout.
    public var description: String {
        switch power {
        case .off: return "not started"
        case .paused: return "paused"
        case .stopped: return "stopped (\(powerReason))"
        case .running: break
        }
        guard runtime != nil else { return "running, its runtime has not answered" }
        guard let agent, agent.running else { return "running, agent ended: \(agent?.ended ?? "not started")" }
        return conflist == nil ? "running, agent runs, no conflist yet" : "ready"
    }
}

extension AgentState {
    /// Whether this agent has ended, and is none of those before `start`.
    func hasEnded(since start: Int) -> Bool { !running && starts >= start }
}

/// Drives the machine of a node. The implementation that ships uses libvirt.
public protocol NodeMachine: Sendable {
    /// Powers the machine on. After the call the socket of the out-of-band channel exists.
    func start() async throws
    /// Ends the machine at once, as pulling the plug does.
    func stop() async throws
    func pause() async throws
    func resume() async throws
    /// Gives the node's underlay interface a carrier, or takes it away.
    func setLink(up: Bool) async throws
    /// Plugs an interface into the running machine, which keeps it over restarts. The guest finds it some 20 ms later.
    /// - Parameter tap: The name of the tap, which must exist.
    func attachInterface(tap: String, mac: String) async throws
    /// Unplugs an interface, and returns when the guest has let go of it.
    func detachInterface(mac: String) async throws
    func power() async throws -> NodeState.Power
    /// The changes of the machine's power, whoever caused them.
    var powerEvents: AsyncStream<PowerEvent> { get }
    /// The path of the unix socket of the out-of-band channel.
    var channelPath: String { get }
    /// The path of the file with the output of the serial console.
    var consolePath: String { get }
    /// Moves the console's file within its file system. The machine goes on writing to it, and appends to it at later
    /// starts. One that was never started makes its file there.
    func moveConsole(to path: String) throws
}

public struct PowerEvent: Sendable {
    public let power: NodeState.Power
    public let reason: String
    public init(power: NodeState.Power, reason: String) {
        self.power = power
        self.reason = reason
    }
}

extension ContainerState {
    /// `default/web-1/server`
    public var key: String { "\(pod.namespace)/\(pod.name)/\(name)" }
}
