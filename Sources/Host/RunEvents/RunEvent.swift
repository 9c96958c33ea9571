import Foundation
import Matrix
import Readings

/// An event of the single stream that a run emits. Terminal, JSON, JUnit, HTML and the journal consume this stream and
/// nothing else. Each event is one line of `journal.jsonl`.
public struct RunEvent: Codable, Sendable {
    /// Seconds since the run's start.
    public let at: Double
    public let payload: Payload

    public init(at: Double, payload: Payload) {
        self.at = at
        self.payload = payload
    }

    public enum Payload: Codable, Sendable {
        case runStarted(RunHeader)
        case labDescribed(LabDescription)
        case phaseStarted(phase: Phase)
        case phaseFinished(phase: Phase, seconds: Double)
        case node(NodeProgress)
        case stepStarted(StepHeader)
        case fault(step: Int, FaultRecord)
        /// A node joined the lab in a step. It comes again when more is known of how long it took.
        case nodeJoined(step: Int, NodeJoinRecord)
        /// A step has given objects to the API server.
        case applied(step: Int, AppliedRecord)
        /// A matrix was measured. The step's expectations are judged by its last one.
        case matrix(step: Int, MatrixRecord)
        case health(step: Int, [HealthRecord])
        /// How busy the host was in a round of measuring. The last one of a step covers the whole step.
        case hostLoad(step: Int, HostLoad)
        case diagnosis(step: Int, DiagnosisRecord)
        case expectation(step: Int, ExpectationResult)
        case stepFinished(step: Int, StepResult)
        case artifact(ArtifactRecord)
        /// The requests of the whole run to the API server of the lab's control plane.
        case apiRequests(APIRequestCounts)
        /// Whether the lab stays for the next scenario. It comes only if that was asked for, shortly before the end.
        case labHandover(LabHandover)
        case log(LogRecord)
        /// The last event of an orderly run. If a stream ends without it, the lab has died: infra-error.
        case runFinished(RunResult)
    }
}

/// The phases of a scenario, ordered by their first start. The phases from inject to converge come once in each step.
public enum Phase: String, Codable, Sendable, CaseIterable {
    case preflight, boot, ready, baseline, inject
    case verifyEffect = "verify-effect"
    case measure, diagnose, heal
    case verifyClean = "verify-clean"
    case converge, report, teardown
}

public enum Verdict: String, Codable, Sendable, CaseIterable {
    case pass, fail, inconclusive
    case infraError = "infra-error"
    case dirtyRollback = "dirty-rollback"
    case interrupted

    /// The process's exit code.
    public var exitCode: Int32 {
        switch self {
        case .pass: 0
        case .fail: 1
        case .infraError: 3
        case .inconclusive: 4
        case .dirtyRollback: 5
        case .interrupted: 130
        }
    }

    /// The verdicts from worst to best, by which several scenarios or steps are combined.
    public static let worstFirst: [Verdict] = [.interrupted, .infraError, .fail, .dirtyRollback, .inconclusive, .pass]

    public static func worst(of verdicts: some Sequence<Verdict>) -> Verdict {
        let all = Set(verdicts)
        return worstFirst.first { all.contains($0) } ?? .inconclusive
    }
}

public struct RunHeader: Codable, Sendable {
    public struct Tool: Codable, Sendable {
        public let version: String
        public let revision: String
        public init(version: String, revision: String) {
            self.version = version
            self.revision = revision
        }
    }
    public struct Host: Codable, Sendable {
        public let kernel: String
        public let cpus: Int
        /// `kvm` or `tcg`, and why.
        public let accelerator: String
        public init(kernel: String, cpus: Int, accelerator: String) {
            self.kernel = kernel
            self.cpus = cpus
            self.accelerator = accelerator
        }
    }
    public struct Scenario: Codable, Sendable {
        public let name: String
        public let title: String
        public let file: String
        public let sha256: String
        public let labels: [String: String]
        /// The names of the steps in order, so that a reader knows what is to come.
        public let steps: [String]
        public init(
            name: String, title: String, file: String, sha256: String, labels: [String: String], steps: [String]
        ) {
            self.name = name
            self.title = title
            self.file = file
            self.sha256 = sha256
            self.labels = labels
            self.steps = steps
        }
    }
    public let tool: Tool
    public let host: Host
    public let seed: UInt64
    public let scenario: Scenario
    public let startedAt: Date
    public init(tool: Tool, host: Host, seed: UInt64, scenario: Scenario, startedAt: Date) {
        self.tool = tool
        self.host = host
        self.seed = seed
        self.scenario = scenario
        self.startedAt = startedAt
    }
}

public struct LabDescription: Codable, Sendable {
    public struct Node: Codable, Sendable {
        public let name: String
        public let kernel: String
        public let addresses: [String]
        public let podCIDRs: [String]
        /// True for a node that is not there before it joins; else nil.
        public var joinsLater: Bool?
        public init(name: String, kernel: String, addresses: [String], podCIDRs: [String]) {
            self.name = name
            self.kernel = kernel
            self.addresses = addresses
            self.podCIDRs = podCIDRs
        }
    }
    /// Kubernetes' own servers.
    public struct ControlPlane: Codable, Sendable, Hashable {
        /// What the API server says of itself, such as `v1.20.2`.
        public let version: String
        /// The API server's address in the VPC.
        public let address: String
        /// The requests that the API server had, known at the end of a run; nil if they could not be counted.
        public var requests: APIRequestCounts?
        public init(version: String, address: String) {
            self.version = version
            self.address = address
        }
    }
    /// A lab that was booted by another scenario of the same command.
    public struct Kept: Codable, Sendable, Hashable {
        /// The scenario that booted it.
        public let from: String
        /// The scenarios that ran in it before this one, in order.
        public let after: [String]
        public init(from: String, after: [String]) {
            self.from = from
            self.after = after
        }
    }
    /// The lab of the scenario before, which could have served this one.
    public struct NotKept: Codable, Sendable, Hashable {
        /// The scenario that ran in it last.
        public let from: String
        /// Why it was not kept, in one line each: for example what was left in it.
        public let because: [String]
        public init(from: String, because: [String]) {
            self.from = from
            self.because = because
        }
    }
    public let profile: String
    public let nodes: [Node]
    /// The effective datapath values by their Helm names.
    public let datapath: [String: String]
    /// Who booted the lab, if it was not this scenario.
    public var kept: Kept?
    /// Why the lab was booted afresh, although the scenario before had an equal one.
    public var notKept: NotKept?
    /// The servers of the control plane, if the lab has one.
    public var controlPlane: ControlPlane?
    public init(
        profile: String, nodes: [Node], datapath: [String: String], kept: Kept? = nil, notKept: NotKept? = nil
    ) {
        self.profile = profile
        self.nodes = nodes
        self.datapath = datapath
        self.kept = kept
        self.notKept = notKept
    }
}

/// Whether a lab stays for the next scenario.
public struct LabHandover: Codable, Sendable {
    /// Why it does not stay, in one line each. The list is empty if it stays.
    public let refusals: [String]
    public var isKept: Bool { refusals.isEmpty }
    public init(refusals: [String]) { self.refusals = refusals }
}

/// A change of a node's state: `defined`, `booting`, `runtime`, `agent`, `ready`, `paused`, `crashed`, `failed`,
/// `stopped`.
public struct NodeProgress: Codable, Sendable {
    public let node: String
    public let state: String
    public let detail: String
    /// The seconds since the node was asked to boot.
    public let seconds: Double
    public init(node: String, state: String, detail: String, seconds: Double) {
        self.node = node
        self.state = state
        self.detail = detail
        self.seconds = seconds
    }
}

public struct StepHeader: Codable, Sendable {
    public let index: Int
    public let name: String
    public let title: String
    /// A sentence for each action that will be carried out.
    public let actions: [String]
    public let startedAt: Date
    public init(index: Int, name: String, title: String, actions: [String], startedAt: Date) {
        self.index = index
        self.name = name
        self.title = title
        self.actions = actions
        self.startedAt = startedAt
    }
}

public struct FaultRecord: Codable, Sendable {
    public enum State: String, Codable, Sendable { case injected, verified, unproven, healed, dirty, refused }
    public let id: String
    public let kind: String
    /// The targets: `node1`, `sg-nodes/vxlan`.
    public let targets: [String]
    public let state: State
    /// A sentence for each thing that the oracle read.
    public let evidence: [String]
    public init(id: String, kind: String, targets: [String], state: State, evidence: [String]) {
        self.id = id
        self.kind = kind
        self.targets = targets
        self.state = state
        self.evidence = evidence
    }
}

/// A node that joined the running lab, and how long it took: seconds from its power-on, nil for what had not come.
public struct NodeJoinRecord: Codable, Sendable, Hashable {
    public let node: String
    /// The seconds from the run's start to the node's power-on.
    public let startedAt: Double
    /// Until its runtime answered.
    public let runtimeSeconds: Double?
    /// Until its agent was ready.
    public let agentSeconds: Double?
    /// Until its Node object was Ready. Without a control plane there is none.
    public let nodeReadySeconds: Double?
    /// Until the first pod with a network of its own ran there.
    public let firstPodSeconds: Double?
    public init(
        node: String, startedAt: Double, runtimeSeconds: Double?, agentSeconds: Double?, nodeReadySeconds: Double?,
        firstPodSeconds: Double?
    ) {
        self.node = node
        self.startedAt = startedAt
        self.runtimeSeconds = runtimeSeconds
        self.agentSeconds = agentSeconds
        self.nodeReadySeconds = nodeReadySeconds
        self.firstPodSeconds = firstPodSeconds
    }
}

/// Objects that a step has given to the API server, and how long it took until they were in force: seconds from the
/// first request on.
public struct AppliedRecord: Codable, Sendable, Hashable {
    /// How many objects.
    public let objects: Int
    /// Until the API server had taken the last of them.
    public let givenSeconds: Double
    /// Until every workload had its pods and all pods were Ready; nil if they were not.
    public let podsSeconds: Double?
    /// Until every agent that is connected to the API server had all nodes, pods' addresses, services, endpoints and
    /// policies in its tables, too; nil if one had not.
    public let agentsSeconds: Double?
    /// Who lacked what in the end, at most ``mostBehind``. The text is untrusted.
    public let behind: [String]
    public static let mostBehind = 20
    public init(
        objects: Int, givenSeconds: Double, podsSeconds: Double?, agentsSeconds: Double?, behind: [String]
    ) {
        self.objects = objects
        self.givenSeconds = givenSeconds
        self.podsSeconds = podsSeconds
        self.agentsSeconds = agentsSeconds
        self.behind = behind
    }
}

public struct MatrixRecord: Codable, Sendable {
    public let endpoints: [Endpoint]
    public let cells: [Cell]
    public let seconds: Double
    public let longestRoundTripMicros: Int
    /// True for a matrix that was measured while converging and is not the one that is judged.
    public let provisional: Bool
    public init(
        endpoints: [Endpoint], cells: [Cell], seconds: Double, longestRoundTripMicros: Int, provisional: Bool
    ) {
        self.endpoints = endpoints
        self.cells = cells
        self.seconds = seconds
        self.longestRoundTripMicros = longestRoundTripMicros
        self.provisional = provisional
    }
}

public struct HealthRecord: Codable, Sendable {
    public struct Peer: Codable, Sendable {
        public let name: String
        public let address: String
        public let node: Bool
        public let endpoint: Bool
        public init(name: String, address: String, node: Bool, endpoint: Bool) {
            self.name = name
            self.address = address
            self.node = node
            self.endpoint = endpoint
        }
    }
    public let node: String
    public let reachable: Int
    public let total: Int
    public let peers: [Peer]
    public init(node: String, reachable: Int, total: Int, peers: [Peer]) {
        self.node = node
        self.reachable = reachable
        self.total = total
        self.peers = peers
    }
}

/// What the diagnosis of a step found. The cause that explains most failing cells comes first.
public struct DiagnosisRecord: Codable, Sendable {
    /// The id of the cause that the step expects; nil if it expects no particular one.
    public let expected: String?
    public let found: [Finding]
    public init(expected: String?, found: [Finding]) {
        self.expected = expected
        self.found = found
    }
}

/// The result of one expectation of a step, which is one JUnit test case.
public struct ExpectationResult: Codable, Sendable {
    public enum State: String, Codable, Sendable { case met, unmet, inconclusive, error, skipped }
    /// Unique in its step: `matrix: pod → pod cross-node`, `health from node1`.
    public let name: String
    public let state: State
    /// One sentence that says what was expected and what was seen.
    public let message: String
    public let why: [WhyEntry]
    public let seconds: Double
    /// The number of rounds in which this expectation was not met before it was. Reports always show it.
    public let retries: Int
    /// What was seen in the last of these rounds; nil if there was none.
    public let lastUnmet: String?
    public init(
        name: String, state: State, message: String, why: [WhyEntry], seconds: Double, retries: Int,
        lastUnmet: String? = nil
    ) {
        self.name = name
        self.state = state
        self.message = message
        self.why = why
        self.seconds = seconds
        self.retries = retries
        self.lastUnmet = lastUnmet
    }
}

extension ExpectationResult {
    /// A result as a judge gives it. The step adds its time and retries.
    package init(_ name: String, _ state: State, _ message: String, why: [WhyEntry] = []) {
        self.init(name: name, state: state, message: message, why: why, seconds: 0, retries: 0)
    }
}

public struct StepResult: Codable, Sendable {
    public let verdict: Verdict
    public let durationSeconds: Double
    /// The seconds from the last action until the expectations held; nil if they never did.
    public let convergenceSeconds: Double?
    public init(verdict: Verdict, durationSeconds: Double, convergenceSeconds: Double?) {
        self.verdict = verdict
        self.durationSeconds = durationSeconds
        self.convergenceSeconds = convergenceSeconds
    }
}

public struct ArtifactRecord: Codable, Sendable {
    /// The path relative to the report folder: `artifacts/console-node1.log`.
    public let path: String
    /// `console`, `agent-log`, `pod-log`, `status`, `flow-log`, `pcapng`, `map-dump`, `fabric`, `audit-log`,
    /// `request-counts`, `control-plane-log`
    public let kind: String
    public init(path: String, kind: String) {
        self.path = path
        self.kind = kind
    }
}

public struct LogRecord: Codable, Sendable {
    public enum Level: String, Codable, Sendable { case debug, info, warning, error }
    public let level: Level
    public let source: String
    /// Untrusted text, which may contain anything that a node printed.
    public let message: String
    public init(level: Level, source: String, message: String) {
        self.level = level
        self.source = source
        self.message = message
    }
}

public struct RunResult: Codable, Sendable {
    public let verdict: Verdict
    /// The reason in one sentence: the failing expectation, or what failed in the lab.
    public let message: String
    public let durationSeconds: Double
    public init(verdict: Verdict, message: String, durationSeconds: Double) {
        self.verdict = verdict
        self.message = message
        self.durationSeconds = durationSeconds
    }
}
