/// A request of the lab host to a node's runtime. Frames (`Frame`) carry it as JSON.
public enum NodeRequest: Codable, Sendable {
    case hello(Hello)
    case configure(NodeConfiguration)
    case startAgent
    /// A request line for the agent's socket, which the runtime relays without parsing. The reply is `agentReply`.
    case agentCall(AgentCall)
    case createPod(PodSpec)
    case deletePod(PodReference)
    case probe(ProbePlan)
    /// Asks which probes of a plan reached this node's receivers, whether or not their answers arrived.
    case sightings(plan: UInt64)
    case openStreams(StreamPlan)
    /// Asks for the counters of the streams so far.
    case readStreams(id: UInt64)
    case closeStreams(id: UInt64)
    /// Changes or reads something on the node. The reply is `reading`.
    case operate(NodeOperation)
    case snapshot
    /// Asks how long the node has been up by its own clock.
    case uptime
    /// Asks for the interface in every pod, as the node's kernel lists it.
    case podInterfaces
    /// Runs a program of the node image and waits for it. The first argument is its absolute path.
    case execute(Execute)
    /// Runs a program of the userland, in a pod or in the node's own network, and waits for it.
    case podExec(PodExec)
    /// Orderly power-off.
    case powerOff
}

/// A reply of a node's runtime: JSON in a frame (`Frame`), with probe results or the agent's reply as the frame's
/// binary part.
public enum NodeReply: Codable, Sendable {
    case hello(HelloReply)
    case done
    case agent(AgentState)
    /// The frame's binary part is the agent's reply line, without its line feed. The runtime does not parse it.
    case agentReply
    case pod(PodStatus)
    /// The results follow in the same frame, see `ProbeResults`.
    case probe(ProbeSummary)
    case sightings(count: Int)
    case streams([StreamReading])
    case snapshot(NodeSnapshot)
    case uptime(milliseconds: Int)
    /// The node's reading after an operation.
    case reading(OperationReading)
    case podInterfaces([PodInterface])
    case executed(Executed)
    case failed(NodeFailure)
}

/// A message that a node sends by itself.
public enum NodeEvent: Codable, Sendable {
    /// The runtime is up and listens. This is sent whenever the channel was opened anew.
    case started(HelloReply)
    case log(source: String, line: String)
    case agent(AgentState)
    /// A program in a pod began or ended.
    case container(ContainerState)
    /// A conflist appeared (its path) or disappeared (nil). The runtime watches for it like a kubelet.
    case network(conflist: String?)
}

public struct NodeFailure: Error, Codable, Sendable, CustomStringConvertible {
    public let code: String
    public let message: String
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }
    public var description: String { message }
}

public struct Hello: Codable, Sendable {
    public let version: Int
    /// The host chooses it anew for every connection. Frames of another session are discarded.
    public let session: UInt32
    public init(version: Int, session: UInt32) {
        self.version = version
        self.session = session
    }
}

public struct HelloReply: Codable, Sendable {
    public let version: Int
    /// `/proc/sys/kernel/random/boot_id`, which distinguishes a reboot from a reconnect.
    public let bootID: String
    public let kernel: String
    public let uptimeMillis: Int
    public let configured: Bool
    public init(version: Int, bootID: String, kernel: String, uptimeMillis: Int, configured: Bool) {
        self.version = version
        self.bootID = bootID
        self.kernel = kernel
        self.uptimeMillis = uptimeMillis
        self.configured = configured
    }
}

public struct NodeInterface: Codable, Sendable {
    /// The name that it gets, `eth0`.
    public let name: String
    /// The MAC by which it is found.
    public let mac: String
    /// `10.0.0.11/24`
    public let address: String
    public let gateway: String?
    public let mtu: Int
    public init(name: String, mac: String, address: String, gateway: String?, mtu: Int) {
        self.name = name
        self.mac = mac
        self.address = address
        self.gateway = gateway
        self.mtu = mtu
    }
}

public struct NodeConfiguration: Codable, Sendable {
    public let name: String
    public let interfaces: [NodeInterface]
    /// The wall-clock time to set, in nanoseconds since 1970.
    public let clockNanoseconds: Int64
    /// The program and the arguments of the datapath agent under test.
    public let agentCommand: [String]
    /// The file that is written before it starts.
    public let agentConfigPath: String
    public let agentConfig: String
    public let agentSocket: String
    public let conflistDirectory: String
    public let pluginDirectory: String
    /// The TCP and UDP port of the node's own echo receiver, in the host network.
    public let nodePort: UInt16
    /// The content of the conflist that the cloud provides besides the agent's own, or nil if there is none.
    public let cloudConflist: String?
    /// What makes the machine a node of a cluster, or nil in a lab without a control plane.
    public let kubelet: KubeletConfiguration?
    /// Whether the node's kubelet starts the agent, as the container of a DaemonSet's pod. The host does not then.
    public let isAgentInPod: Bool
    /// The name of the cloud's conflist. It sorts after the agent's.
    public static let cloudConflistName = "10-cloud.conflist"
    public init(
        name: String, interfaces: [NodeInterface], clockNanoseconds: Int64, agentCommand: [String],
        agentConfigPath: String, agentConfig: String, agentSocket: String,
        conflistDirectory: String = "/etc/cni/net.d", pluginDirectory: String = "/opt/cni/bin", nodePort: UInt16,
        cloudConflist: String? = nil, kubelet: KubeletConfiguration? = nil, isAgentInPod: Bool = false
    ) {
        self.isAgentInPod = isAgentInPod
        self.name = name
        self.interfaces = interfaces
        self.clockNanoseconds = clockNanoseconds
        self.agentCommand = agentCommand
        self.agentConfigPath = agentConfigPath
        self.agentConfig = agentConfig
        self.agentSocket = agentSocket
        self.conflistDirectory = conflistDirectory
        self.pluginDirectory = pluginDirectory
        self.nodePort = nodePort
        self.cloudConflist = cloudConflist
        self.kubelet = kubelet
    }
}

/// A request to the node's agent.
public struct AgentCall: Codable, Sendable {
    /// One JSON object, with or without a line feed.
    public let line: String
    /// How long the runtime waits for the agent's socket and its reply.
    public let deadlineMillis: Int
    public init(line: String, deadlineMillis: Int) {
        self.line = line
        self.deadlineMillis = deadlineMillis
    }
}

public struct AgentState: Codable, Sendable {
    public let running: Bool
    public let pid: Int32?
    /// How it ended: `exit 3`, `signal 9`.
    public let ended: String?
    /// Its last lines of output before it ended.
    public let lastLines: [String]
    public let starts: Int
    /// Whether the node's kubelet has asked it to end, as it asks a container of a pod that goes.
    public let wasAsked: Bool
    public init(
        running: Bool, pid: Int32?, ended: String?, lastLines: [String], starts: Int, wasAsked: Bool = false
    ) {
        self.wasAsked = wasAsked
        self.running = running
        self.pid = pid
        self.ended = ended
        self.lastLines = lastLines
        self.starts = starts
    }
}

/// The sender: a pod of this node, or the node itself (nil).
public struct ProbeSource: Codable, Sendable, Hashable {
    public let index: Int
    public let pod: PodReference?
    public init(index: Int, pod: PodReference?) {
        self.index = index
        self.pod = pod
    }
}

public struct ProbeTarget: Codable, Sendable, Hashable {
    public let index: Int
    public let address: String
    public let port: UInt16
    /// The plan's protocols with which it is probed, or nil for all of them.
    public let protocols: [String]?
    /// True if the target's address may be translated to that of another target at the sender's socket. Each sender
    /// then has a datagram socket for this target alone, because the kernel translates answers back to the address that
    /// the socket last sent to.
    public let isTranslated: Bool?
    /// True if a server that knows nothing of probes is there: a TCP connection that comes about is the answer.
    public let isForeign: Bool?
    public init(
        index: Int, address: String, port: UInt16, protocols: [String]? = nil, isTranslated: Bool? = nil,
        isForeign: Bool? = nil
    ) {
        self.isForeign = isForeign
        self.isTranslated = isTranslated
        self.index = index
        self.address = address
        self.port = port
        self.protocols = protocols
    }

    /// Says whether it is probed with the protocol of this name.
    public func takes(_ name: String) -> Bool { protocols?.contains(name) ?? true }
}

/// All probes that one node is to send: from every source to each of its targets with each protocol, concurrently.
public struct ProbePlan: Codable, Sendable {
    public let id: UInt64
    public let deadlineMillis: Int
    /// `tcp`, `udp`, `icmp`
    public let protocols: [String]
    public let sources: [ProbeSource]
    public let targets: [ProbeTarget]
    /// For each source, in the same order, the indices of its targets in `targets`.
    public let pairs: [[Int]]
    /// The number of UDP and ICMP packets for each cell. One measures reachability, more measure loss.
    public let count: Int
    public let intervalMillis: Int
    /// Requests to send in addition, all at once.
    public let requests: [ProbeRequest]
    public init(
        id: UInt64, deadlineMillis: Int, protocols: [String], sources: [ProbeSource], targets: [ProbeTarget],
        pairs: [[Int]], count: Int = 1, intervalMillis: Int = 10, requests: [ProbeRequest] = []
    ) {
        self.requests = requests
        self.id = id
        self.deadlineMillis = deadlineMillis
        self.protocols = protocols
        self.sources = sources
        self.targets = targets
        self.pairs = pairs
        self.count = count
        self.intervalMillis = intervalMillis
    }

    /// For how long after the deadline first packets may still be sent, in milliseconds: 40 s to 5 minutes. A cell that
    /// had no turn by then is not measured. The time grows with the plan, because a large matrix would never be whole
    /// on a busy host: with 40 s, three emulated nodes measured 18,935 of 29,700 cells.
    public var launchMillis: Int {
        let cells = pairs.reduce(0) { $0 + min($1.count, 1_000_000) } * max(1, min(protocols.count, 8))
        return min(max(40_000, 20 * cells), 300_000)
    }
}

public struct ProbeSummary: Codable, Sendable {
    public let count: Int
    public let elapsedMicros: Int
    public let longestRoundTripMicros: Int
    public init(count: Int, elapsedMicros: Int, longestRoundTripMicros: Int) {
        self.count = count
        self.elapsedMicros = elapsedMicros
        self.longestRoundTripMicros = longestRoundTripMicros
    }
}

/// Long-lived flows that run while something is done to the lab: for each pair a TCP connection, or a train of UDP
/// packets or ICMP echoes.
public struct StreamPlan: Codable, Sendable {
    public let id: UInt64
    public let intervalMillis: Int
    public let protocols: [String]
    public let sources: [ProbeSource]
    public let targets: [ProbeTarget]
    public let pairs: [[Int]]
    public init(
        id: UInt64, intervalMillis: Int, protocols: [String], sources: [ProbeSource], targets: [ProbeTarget],
        pairs: [[Int]]
    ) {
        self.id = id
        self.intervalMillis = intervalMillis
        self.protocols = protocols
        self.sources = sources
        self.targets = targets
        self.pairs = pairs
    }
}

public struct StreamReading: Codable, Sendable {
    public let source: Int
    public let target: Int
    public let `protocol`: String
    /// True if it has not ended and is connected (TCP) or was answered at least once (the others).
    public let established: Bool
    public let sent: Int
    public let answered: Int
    /// The longest time without an answer beyond the interval, in milliseconds.
    public let longestGapMillis: Int
    /// The milliseconds since the last answer, or since the flow began if there was none.
    public let silentMillis: Int
    /// The reason why a flow ended.
    public let ended: String?
    public init(
        source: Int, target: Int, protocol: String, established: Bool, sent: Int, answered: Int, longestGapMillis: Int,
        silentMillis: Int, ended: String?
    ) {
        self.source = source
        self.target = target
        self.protocol = `protocol`
        self.established = established
        self.sent = sent
        self.answered = answered
        self.longestGapMillis = longestGapMillis
        self.silentMillis = silentMillis
        self.ended = ended
    }
}

/// The state of a node that a fault might leave changed. It is canonical: sorted, and without counters, ages and
/// process ids.
public struct NodeSnapshot: Codable, Sendable, Equatable {
    public let links: [String]
    public let addresses: [String]
    public let routes: [String]
    public let qdiscs: [String]
    /// The tc filters by interface and hook.
    public let filters: [String]
    public let conflists: [String]
    public let pods: [String]
    public let agentRunning: Bool
    public init(
        links: [String], addresses: [String], routes: [String], qdiscs: [String], filters: [String],
        conflists: [String], pods: [String], agentRunning: Bool
    ) {
        self.links = links
        self.addresses = addresses
        self.routes = routes
        self.qdiscs = qdiscs
        self.filters = filters
        self.conflists = conflists
        self.pods = pods
        self.agentRunning = agentRunning
    }

    /// Whether the agent has written its conflist. That of the cloud's own plugin, which a node may have besides, does
    /// not count.
    public var hasConflist: Bool {
        conflists.contains { !$0.hasSuffix("/" + NodeConfiguration.cloudConflistName) }
    }
}
