/// What the lab host asks of a node's runtime. Carried as JSON in frames (`Frame`).
public enum NodeRequest: Codable, Sendable {
    case hello(Hello)
    case configure(NodeConfiguration)
    case startAgent
    /// A request line for the agent's socket, relayed unread; answered by `agentReply`.
    case agentCall(AgentCall)
    case createPod(PodSpec)
    case deletePod(PodReference)
    case probe(ProbePlan)
    /// Probes that reached this node's receivers for a plan: what they saw, independent of whether an answer got home.
    case sightings(plan: UInt64)
    case openStreams(StreamPlan)
    /// Counters of the streams so far.
    case readStreams(id: UInt64)
    case closeStreams(id: UInt64)
    /// Changes or reads something of the node; the reply is `reading`.
    case operate(NodeOperation)
    case snapshot
    /// The interface in every pod, as the node's kernel lists it.
    case podInterfaces
    /// Runs a program of the node image and waits for it: argument vector, first is the absolute path.
    case execute(Execute)
    /// Runs a program of the userland in a pod, or beside the pods in the node's own network, and waits for it.
    case podExec(PodExec)
    /// Orderly power-off.
    case powerOff
}

/// What a node's runtime answers: JSON in a frame (`Frame`), with probe results and the agent's replies as bytes beside
/// it.
public enum NodeReply: Codable, Sendable {
    case hello(HelloReply)
    case done
    case agent(AgentState)
    /// The agent's reply line, without its line feed, is the frame's binary part: bytes that the runtime does not read.
    case agentReply
    case pod(PodStatus)
    /// The results follow the header in the same frame, see `ProbeResults`.
    case probe(ProbeSummary)
    case sightings(count: Int)
    case streams([StreamReading])
    case snapshot(NodeSnapshot)
    /// What the node reads after an operation.
    case reading(OperationReading)
    case podInterfaces([PodInterface])
    case executed(Executed)
    case failed(NodeFailure)
}

/// What a node says unasked.
public enum NodeEvent: Codable, Sendable {
    /// The runtime is up and listens. Sent whenever the channel was opened anew.
    case started(HelloReply)
    case log(source: String, line: String)
    case agent(AgentState)
    /// A program of a pod began or ended.
    case container(ContainerState)
    /// A conflist appeared (its path) or went (nil), as a kubelet watches for it.
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
    /// Chosen anew by the host for every connection; frames of another session are dropped.
    public let session: UInt32
    public init(version: Int, session: UInt32) {
        self.version = version
        self.session = session
    }
}

public struct HelloReply: Codable, Sendable {
    public let version: Int
    /// `/proc/sys/kernel/random/boot_id`: tells a reboot from a reconnect.
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
    /// Name it is given, `eth0`.
    public let name: String
    /// MAC that finds it.
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
    /// Wall clock to set, nanoseconds since 1970.
    public let clockNanoseconds: Int64
    /// Program and arguments of the datapath agent under test.
    public let agentCommand: [String]
    /// File that is written before it starts.
    public let agentConfigPath: String
    public let agentConfig: String
    public let agentSocket: String
    public let conflistDirectory: String
    public let pluginDirectory: String
    /// TCP and UDP port of the node's own (host network) echo receiver.
    public let nodePort: UInt16
    /// Content of the conflist that the cloud brings along, beside the agent's own; nil: none.
    public let cloudConflist: String?
    /// Name of that file, after the agent's in order.
    public static let cloudConflistName = "10-cloud.conflist"
    public init(
        name: String, interfaces: [NodeInterface], clockNanoseconds: Int64, agentCommand: [String],
        agentConfigPath: String, agentConfig: String, agentSocket: String,
        conflistDirectory: String = "/etc/cni/net.d", pluginDirectory: String = "/opt/cni/bin", nodePort: UInt16,
        cloudConflist: String? = nil
    ) {
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
    }
}

/// A request to the node's agent.
public struct AgentCall: Codable, Sendable {
    /// One JSON object, with or without its line feed.
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
    /// Its last lines of output when it ended.
    public let lastLines: [String]
    public let starts: Int
    public init(running: Bool, pid: Int32?, ended: String?, lastLines: [String], starts: Int) {
        self.running = running
        self.pid = pid
        self.ended = ended
        self.lastLines = lastLines
        self.starts = starts
    }
}

/// Who sends: a pod of this node, or the node itself (nil).
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
    /// Those of the plan's protocols that it is probed with; nil: all.
    public let protocols: [String]?
    /// Its address may be translated to another target's at the sender's socket: each sender has a datagram socket for
    /// it alone, for the kernel gives answers back the address that this socket last sent to.
    public let isTranslated: Bool?
    public init(
        index: Int, address: String, port: UInt16, protocols: [String]? = nil, isTranslated: Bool? = nil
    ) {
        self.isTranslated = isTranslated
        self.index = index
        self.address = address
        self.port = port
        self.protocols = protocols
    }

    /// Whether it is probed with a protocol of this name.
    public func takes(_ name: String) -> Bool { protocols?.contains(name) ?? true }
}

/// All probes one node is to send: every source to each of its targets, over each protocol, concurrently.
public struct ProbePlan: Codable, Sendable {
    public let id: UInt64
    public let deadlineMillis: Int
    /// `tcp`, `udp`, `icmp`
    public let protocols: [String]
    public let sources: [ProbeSource]
    public let targets: [ProbeTarget]
    /// For each source (same order): indices into `targets`.
    public let pairs: [[Int]]
    /// Packets of UDP and ICMP a cell; 1 measures reachability, more measure loss.
    public let count: Int
    public let intervalMillis: Int
    /// Asked besides, all at once.
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

/// Long-lived flows that run while something is done to the lab: a TCP connection or a train of UDP or ICMP echoes
/// for each pair.
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
    /// Not ended, and connected (TCP) or answered at least once (the others).
    public let established: Bool
    public let sent: Int
    public let answered: Int
    /// Longest time without an answer, milliseconds, beyond the interval.
    public let longestGapMillis: Int
    /// Since the last answer, or since the flow began when there was none, milliseconds.
    public let silentMillis: Int
    /// Why a flow ended.
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

/// State of a node that a fault may leave changed. Canonical: sorted, without counters, ages and process ids.
public struct NodeSnapshot: Codable, Sendable, Equatable {
    public let links: [String]
    public let addresses: [String]
    public let routes: [String]
    public let qdiscs: [String]
    /// tc filters by interface and hook.
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
}
