import Diagnosis
import Readings
import RunEvents

/// Everything that was observed in one round of a step. Expectations are judged by nothing else.
public struct Observation: Sendable {
    public var endpoints: [Endpoint]
    public var measurement: Measurement
    public var health: [HealthRecord]
    /// The reason why a node's health could not be asked, by node.
    public var healthMissing: [String: String]
    public var flowLog: [FlowLogReading]
    public var wire: [TapPacket]
    /// Whether captures and flow log missed nothing. If they missed something, a packet that they do not have may still
    /// have been there.
    public var recordingIsComplete: Bool
    public var nodes: [NodeReading]
    /// The number of nodes that were there in this round, those that had crashed among them; nil if it is that of the
    /// step's beginning. A controller may have nodes join and leave at any time.
    public var nodeCount: Int?
    public var pods: [PodReading] = []
    /// What there is of kube-proxy, by node, or why it could not be read. It is empty in steps that do not need it
    /// (`ObservationNeed`).
    public var kubeProxies: [String: Result<KubeProxyReading, any Error>] = [:]
    /// The number of the agent's starts since the step began, by node.
    public var agentRestarts: [String: Int]
    /// What nodes forwarded since the step began, by node. A node without an entry could not be asked. It is empty in
    /// steps that do not need it (`ObservationNeed`).
    public var flowCaches: [String: FlowCacheCount] = [:]
    /// What flow caches served of the step's streams before its first action, by node. A node without a stream has no
    /// entry, and there is none in steps that do not need it.
    public var servedStreams: [String: ServedStreams] = [:]
    public var streams: [StreamObservation]
    /// How long the host kept the nodes from running while the step's streams ran.
    public var starvation = Starvation()
    /// How far the silence of this round's probes can be believed.
    public var silence = SilenceDoubt()
    /// How far the silence of the agents' health probes can be believed. They wait for a second, or longer on a busy
    /// host.
    public var healthSilence = SilenceDoubt()
    /// What agents report of their endpoints. It is empty in steps that do not need it (`ObservationNeed`).
    public var identities: [IdentityReading]
    /// The reason why a node's agent could not be asked for its endpoints, by node.
    public var identitiesMissing: [String: String]
    /// What the API server has of the objects that the step expects something of. It is empty in steps that do not need
    /// it (`ObservationNeed`).
    public var objects: [ObjectQuery: ObjectReading] = [:]
    /// What happened since the step began, as the API server's events tell it. It is nil in steps that do not need it.
    public var events: ServedEvents?
    /// How agents stand with their API server, by node. A node without an entry could not be asked, or has none. It is
    /// empty in steps that do not need it (`ObservationNeed`).
    public var serverConnections: [String: ServerConnection] = [:]
    public var findings: [Finding]
    /// The failing cells of each finding that nothing but missing answers supports, by the finding's id.
    public var silentFindings: [String: Set<CellKey>] = [:]
    /// The cells of failing probes for which no record gives a cause. It is nil before the evidence was read.
    public var unexplained: Set<CellKey>?
    /// The reason why not all events of a node's agent could be read, by node. A drop that is missing there may have
    /// happened.
    public var datapathGaps: [String: String]
    /// The indexed evidence of the round that is judged: the flow of each probe, and what the agents reported of those
    /// that failed. It is nil before the evidence was read.
    public var paths: PathIndex?

    public init(endpoints: [Endpoint], measurement: Measurement) {
        self.endpoints = endpoints
        self.measurement = measurement
        health = []
        healthMissing = [:]
        flowLog = []
        wire = []
        recordingIsComplete = true
        nodes = []
        agentRestarts = [:]
        streams = []
        identities = []
        identitiesMissing = [:]
        findings = []
        unexplained = nil
        datapathGaps = [:]
    }
    /// Why this round's missing answers say nothing about the lab. It is nil if none is missing, or if the host left
    /// the nodes the time to answer.
    package var doubt: String? {
        measurement.probes.contains { $0.observed.lacksAnswers } ? silence.reason : nil
    }

    /// Why cells of this round were not measured: a node could not be asked, or the host kept the nodes from sending
    /// all packets of a cell in time. It is nil if that is not known.
    package var unmeasured: String? {
        if let reason = measurement.missing.values.min() { return reason }
        return measurement.probes.contains(where: \.wasCutShort) ? silence.reason ?? silence.share : nil
    }

    /// The nodes that cannot answer by the word of the hypervisor, or of their own kernel: they do not run, or have no
    /// carrier.
    package var cutNodes: Set<String> {
        Set(nodes.filter { $0.power == .paused || $0.power == .stopped || $0.carrier == false }.map(\.name))
    }

    /// The nodes that an expectation names, or all nodes of the lab if it names none.
    package func names(of named: [String]) -> [String] { named.isEmpty ? nodes.map(\.name) : named }
}
