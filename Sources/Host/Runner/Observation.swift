import Diagnosis
import Lab
import Readings
import RunEvents

/// Everything that one round of measuring a step brought: what expectations are held against.
public struct Observation: Sendable {
    public var endpoints: [Endpoint]
    public var measurement: Measurement
    public var health: [HealthRecord]
    /// Why a node's health could not be asked, by node.
    public var healthMissing: [String: String]
    public var flowLog: [FlowLogReading]
    public var wire: [TapPacket]
    /// Captures and flow log missed nothing; without it, what was not seen may still have been there.
    public var recordingIsComplete: Bool
    public var nodes: [NodeReading]
    public var pods: [PodReading] = []
    /// What there is of kube-proxy on each node, of steps that ask for it.
    public var kubeProxies: [String: Result<KubeProxyReading, any Error>] = [:]
    /// Agent starts since the step began, by node.
    public var agentRestarts: [String: Int]
    public var streams: [StreamObservation]
    /// How long the host kept the nodes from running while the step's streams ran.
    public var starvation = Starvation()
    /// How far the silence of this round's probes can be believed.
    public var silence = SilenceDoubt()
    /// How far the silence of the agents' health probes can be believed; they wait for a second, or longer on a busy
    /// host.
    public var healthSilence = SilenceDoubt()
    /// What agents say of the endpoints, of steps that ask for it.
    public var identities: [IdentityReading]
    /// Nodes whose agent could not be asked for them, and why.
    public var identitiesMissing: [String: String]
    public var findings: [Finding]
    /// Cells of failing probes for which nothing on record gives a cause; nil before the evidence was read.
    public var unexplained: Set<CellKey>?
    /// Agents whose events could not all be had, and why.
    public var datapathGaps: [String: String]
    /// The evidence of the round that is judged, indexed: each probe's flow, and what the agents reported of those that
    /// failed. Nil in rounds before it.
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
}

/// A long-lived flow at the end of a step.
public struct StreamObservation: Sendable, Hashable {
    public var from: Endpoint
    public var to: Endpoint
    public var `protocol`: ProbeProtocol
    public var established: Bool
    public var sent: Int
    public var answered: Int
    public var longestGapMillis: Int
    /// Between its messages.
    public var intervalMillis: Int
    /// Since the last answer; nil when the flow could not be read.
    public var silentMillis: Int?
    public var ended: String?

    /// From here on a silence is the end of the flow, in milliseconds: a second, or ten intervals.
    private var mostSilentMillis: Int { max(1000, 10 * intervalMillis) }

    /// Answered, not ended, and not silent for longer than a second or ten intervals.
    public var isLive: Bool {
        guard established, answered > 0, let silentMillis else { return false }
        return silentMillis < mostSilentMillis
    }

    /// Whether nothing but a silence speaks against the flow, and the host can be the reason for it.
    func isStarved(_ starvation: Starvation) -> Bool {
        guard established, answered > 0, ended == nil, let silentMillis, !isLive else { return false }
        let took = Double(silentMillis) / 1000
        return TimeClaim.isExplained(
            took: took, limit: Double(mostSilentMillis - 1) / 1000, starved: starvation.most(within: took))
    }

    /// Why it is not live, in words.
    public var silence: String {
        if let ended { return "ended: \(ended)" }
        if answered == 0 { return "was never answered" }
        return silentMillis.map { "has been silent for \($0) ms" } ?? "could not be read"
    }
}
