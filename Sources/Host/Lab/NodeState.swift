import NodeProtocol

/// What is known of a node, gathered from the hypervisor, the channel and the agent.
public struct NodeState: Sendable {
    public enum Power: String, Sendable { case off, running, paused, stopped }
    public var power: Power = .off
    /// Why it is stopped, in the hypervisor's words.
    public var powerReason = ""
    /// The runtime answers on this boot.
    public var runtime: HelloReply?
    /// Times the runtime started; more than one: it rebooted.
    public var boots = 0
    public var agent: AgentState?
    /// Path of the conflist in force; nil while there is none.
    public var conflist: String?
    /// Last lines the agent wrote, oldest first, at most 50.
    public var agentLines: [String] = []
    /// Programs of its pods, as last heard of, by `namespace/pod/container`.
    public var containers: [String: ContainerState] = [:]

    /// Its runtime can be asked.
    public var answers: Bool { power == .running && runtime != nil }

    public var isReady: Bool { power == .running && runtime != nil && agent?.running == true && conflist != nil }

    /// One sentence for a timeout.
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

/// How a node's machine is driven. libvirt is the one that ships; another hypervisor takes its place here.
public protocol NodeMachine: Sendable {
    /// Powers it on with its kernel and NIC; the channel's socket exists afterwards.
    func start() async throws
    /// Pulls the plug.
    func stop() async throws
    func pause() async throws
    func resume() async throws
    /// Carrier of the node's underlay NIC.
    func setLink(up: Bool) async throws
    /// Plugs a card into the running machine; it keeps it over restarts. The guest finds it some 20 ms later.
    /// - Parameter tap: exists already.
    func attachInterface(tap: String, mac: String) async throws
    /// Unplugs a card; returns when the guest has let go of it.
    func detachInterface(mac: String) async throws
    func power() async throws -> NodeState.Power
    /// Changes of power, whoever caused them.
    var powerEvents: AsyncStream<PowerEvent> { get }
    /// Unix socket of the out-of-band channel.
    var channelPath: String { get }
    /// File with the serial console.
    var consolePath: String { get }
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
