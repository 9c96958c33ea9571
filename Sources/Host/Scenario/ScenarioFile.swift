import KubeObjects
import Matrix
import Readings

/// A scenario as its file says it: `apiVersion: labrun.dev/v1alpha1`, `kind: Scenario`. Parsed, checked, and without
/// anything left to look up but the lab profile it names.
public struct ScenarioFile: Codable, Sendable {
    public var metadata: Metadata
    public var spec: Spec

    public struct Metadata: Codable, Sendable {
        public var name: String
        public var title: String
        public var description: String
        public var labels: [String: String]
        public init(name: String, title: String, description: String, labels: [String: String]) {
            self.name = name
            self.title = title
            self.description = description
            self.labels = labels
        }
    }

    public struct Spec: Codable, Sendable {
        /// Name of a lab profile.
        public var lab: String
        public var overrides: LabOverrides
        public var workloads: [Workload]
        /// Services, policies and what else the agents are told of from the start.
        public var objects: [ClusterObject]
        /// Which pairs are measured.
        public var probes: ProbePlanSpec
        public var timeline: [Step]
        public init(
            lab: String, overrides: LabOverrides, workloads: [Workload], objects: [ClusterObject] = [],
            probes: ProbePlanSpec, timeline: [Step]
        ) {
            self.lab = lab
            self.overrides = overrides
            self.workloads = workloads
            self.objects = objects
            self.probes = probes
            self.timeline = timeline
        }
    }

    public init(metadata: Metadata, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    /// Whether a pod, a fault, an expectation or the lab itself runs a program in a node: then the nodes get the userland disk.
    public func needsUserland(in profile: LabProfile, faults: [FaultDescriptor]) -> Bool {
        let injected = spec.timeline.flatMap(\.actions).compactMap { action in
            if case .inject(let call) = action { call.kind } else { nil }
        }
        let readsKubeProxy = spec.timeline.contains { $0.expect?.nodes.contains { $0.kubeProxy != nil } ?? false }
        let startsKubeProxy = spec.timeline.flatMap(\.actions).contains { action in
            if case .set(let values) = action { values[Action.kubeProxy] == "true" } else { false }
        }
        return podsNeedUserland || profile.kubeProxy.enabled || startsKubeProxy || readsKubeProxy
            || faults.contains { $0.needsUserland && injected.contains($0.kind) }
    }

    /// Whether any of its pods runs a program.
    public var podsNeedUserland: Bool {
        let applied = spec.timeline.flatMap(\.actions).compactMap { action in
            if case .apply(let workload) = action { workload } else { nil }
        }
        return (spec.workloads + applied).contains { !$0.programs.isEmpty }
    }
}

/// Which endpoints are probed against which.
public struct ProbePlanSpec: Codable, Sendable {
    public struct Pair: Codable, Sendable {
        public var from: EndpointSelector
        public var to: EndpointSelector
        public init(from: EndpointSelector, to: EndpointSelector) {
            self.from = from
            self.to = to
        }
    }
    public var pairs: [Pair]
    public var protocols: [ProbeProtocol]
    /// How long an answer may take, seconds.
    public var deadline: Double
    /// Packets of UDP and ICMP a cell.
    public var count: Int
    /// Queries, requests and connections that are measured besides.
    public var requests: [ProbeRequest]
    /// pods → pods and nodes → nodes, all protocols, one second, one packet.
    public init(
        pairs: [Pair] = [
            Pair(from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod)),
            Pair(from: EndpointSelector(kind: .node), to: EndpointSelector(kind: .node)),
        ],
        protocols: [ProbeProtocol] = ProbeProtocol.echoed, deadline: Double = 1, count: Int = 1,
        requests: [ProbeRequest] = []
    ) {
        self.requests = requests
        self.pairs = pairs
        self.protocols = protocols
        self.deadline = deadline
        self.count = count
    }
}

/// A pod, or what makes pods, in Kubernetes' shape (`v1 Pod`, `apps/v1 Deployment`, `apps/v1 DaemonSet`), reduced to
/// what places and names them.
public struct Workload: Codable, Sendable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case pod = "Pod"
        case deployment = "Deployment"
        case daemonSet = "DaemonSet"
    }
    public var kind: Kind
    public var namespace: String
    public var name: String
    public var labels: [String: String]
    /// Deployments only.
    public var replicas: Int
    /// Pods only: `spec.nodeName`.
    public var nodeName: String?
    /// Answers TCP and UDP echo: the first `containerPort` that no program has for itself, 8080 when none is given.
    public var port: UInt16
    /// All ports of all containers.
    public var ports: [Pod.Port]
    /// Containers that run something; the others only answer probes.
    public var programs: [ContainerProgram]
    /// `Always`, `OnFailure` or `Never`.
    public var restartPolicy: String
    public init(
        kind: Kind, namespace: String, name: String, labels: [String: String], replicas: Int, nodeName: String?,
        port: UInt16, ports: [Pod.Port] = [], programs: [ContainerProgram] = [], restartPolicy: String = "Always"
    ) {
        self.programs = programs
        self.restartPolicy = restartPolicy
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.replicas = replicas
        self.nodeName = nodeName
        self.port = port
        self.ports = ports
    }
}

/// Changes to the lab profile, from the file or from `--set path=value`, `--nodes`, `--kernel`.
public struct LabOverrides: Codable, Sendable {
    public var nodeCount: Int?
    public var kernel: String?
    public var memoryMiB: Int?
    public var datapathValues: [String: String]
    /// Whether kube-proxy runs.
    public var kubeProxy: Bool?
    /// Machine type of the nodes; one of `InstanceLimits.byType`.
    public var instanceType: String?
    public var cloudPlugin: LabProfile.CloudPlugin?
    public init(
        nodeCount: Int? = nil, kernel: String? = nil, memoryMiB: Int? = nil, datapathValues: [String: String] = [:]
    ) {
        self.nodeCount = nodeCount
        self.kernel = kernel
        self.memoryMiB = memoryMiB
        self.datapathValues = datapathValues
    }
}

/// A step of the timeline: actions in the order given, then what is expected.
public struct Step: Codable, Sendable {
    public var name: String
    public var title: String
    public var actions: [Action]
    public var expect: Expectations?
    public init(name: String, title: String, actions: [Action], expect: Expectations?) {
        self.name = name
        self.title = title
        self.actions = actions
        self.expect = expect
    }
}

public enum Action: Codable, Sendable {
    /// Path of `set` for the instance type of all nodes.
    public static let instanceType = "nodes.instanceType"
    /// Path of `set` for whether kube-proxy runs on the nodes; its rules leave with it.
    public static let kubeProxy = "kubeProxy.enabled"

    /// Starts a fault; its id is the one that `heal` names (default: its kind).
    case inject(FaultCall)
    case heal(id: String)
    case apply(Workload)
    case delete(kind: Workload.Kind, namespace: String, name: String)
    case applyObject(ClusterObject)
    case deleteObject(ObjectKind, ObjectKey)
    /// Values by their paths, `datapath.values.NAME`, all at once.
    case set([String: String])
    case scale(namespace: String, name: String, replicas: Int)
    /// Waits until a node or pod condition holds: never a time alone.
    case wait(WaitCondition)
}

public struct WaitCondition: Codable, Sendable {
    public enum Subject: String, Codable, Sendable, CaseIterable {
        case nodesReady = "nodes-ready", podsRunning = "pods-running"
    }
    public var subject: Subject
    public var within: Double
    public init(subject: Subject, within: Double) {
        self.subject = subject
        self.within = within
    }
}

/// What a step expects. Each entry is one test case.
public struct Expectations: Codable, Sendable {
    /// Rules over the matrix; every measured cell must be covered by one.
    public var matrix: [ExpectationRule]
    public var health: [HealthExpectation]
    public var flowLogs: [FlowLogExpectation]
    public var wire: [WireExpectation]
    public var streams: [StreamExpectation]
    /// Denied cells whose drop events must say why.
    public var drops: [DropExpectation]
    public var nodes: [NodeExpectation]
    /// Whose identity is whose.
    public var identities: [IdentityExpectation]
    /// Pods that must run or wait.
    public var pods: [PodsExpectation]
    /// The root cause that must be found, and texts that its summary or evidence must contain. With nil nothing is asked of the
    /// diagnosis; that nothing may be found is the id `none`.
    public var diagnosis: DiagnosisExpectation?
    /// The time the expectations have to come true, seconds.
    public var within: Double
    public init(
        matrix: [ExpectationRule] = [], health: [HealthExpectation] = [], flowLogs: [FlowLogExpectation] = [],
        wire: [WireExpectation] = [], streams: [StreamExpectation] = [], nodes: [NodeExpectation] = [],
        drops: [DropExpectation] = [], identities: [IdentityExpectation] = [], pods: [PodsExpectation] = [],
        diagnosis: DiagnosisExpectation? = nil,
        within: Double = 10
    ) {
        self.identities = identities
        self.matrix = matrix
        self.health = health
        self.flowLogs = flowLogs
        self.wire = wire
        self.streams = streams
        self.drops = drops
        self.nodes = nodes
        self.pods = pods
        self.diagnosis = diagnosis
        self.within = within
    }
}

/// Denied cells, and what the agents' drop events must say of each.
public struct DropExpectation: Codable, Sendable {
    public var from: EndpointSelector
    public var to: EndpointSelector
    public var `where`: Placement?
    /// Empty: all.
    public var protocols: [ProbeProtocol]
    /// Names of requests; nil: every cell.
    public var requests: [String]?
    /// Name of the drop reason.
    public var reason: String
    /// Part of the name of the policy rule that decided; nil: any, or none.
    public var rule: String?
    public init(
        from: EndpointSelector, to: EndpointSelector, where placement: Placement?, protocols: [ProbeProtocol],
        reason: String, rule: String?, requests: [String]? = nil
    ) {
        self.requests = requests
        self.from = from
        self.to = to
        self.where = placement
        self.protocols = protocols
        self.reason = reason
        self.rule = rule
    }
}

/// Pods that share one identity on all of their nodes, and whose endpoint ids are all different.
public struct IdentityExpectation: Codable, Sendable {
    public var pods: EndpointSelector
    /// Pods that must have other identities.
    public var apartFrom: EndpointSelector?
    /// An earlier step: the identity is the one from then, and no endpoint of then is left.
    public var replacedSince: String?
    public init(pods: EndpointSelector, apartFrom: EndpointSelector? = nil, replacedSince: String? = nil) {
        self.pods = pods
        self.apartFrom = apartFrom
        self.replacedSince = replacedSince
    }
}

/// `reachable: 1/3` as seen from the given nodes (empty: all).
public struct HealthExpectation: Codable, Sendable {
    public var nodes: [String]
    public var reachable: Int
    /// nil: the lab's node count (`N/N`).
    public var total: Int?
    /// `N` was written for reachable: all of them.
    public var allReachable: Bool
    public init(nodes: [String], reachable: Int, total: Int?, allReachable: Bool) {
        self.nodes = nodes
        self.reachable = reachable
        self.total = total
        self.allReachable = allReachable
    }
}

/// Records of this step's time in the VPC flow logs.
public struct FlowLogExpectation: Codable, Sendable {
    /// `ACCEPT` or `REJECT`
    public var action: String
    public var `protocol`: String
    public var port: UInt16?
    /// Nodes whose interface must have such a record; empty: all.
    public var nodes: [String]
    /// false: there must be none.
    public var present: Bool
    public init(action: String, protocol: String, port: UInt16?, nodes: [String], present: Bool) {
        self.action = action
        self.protocol = `protocol`
        self.port = port
        self.nodes = nodes
        self.present = present
    }
}

/// Packets on the nodes' taps during the step's measurement.
public struct WireExpectation: Codable, Sendable {
    public enum Direction: String, Codable, Sendable, CaseIterable {
        case leaves, arrives
    }
    /// Whose port is meant.
    public enum Side: String, Codable, Sendable, CaseIterable {
        case destination, source
    }
    public var `protocol`: String
    public var port: UInt16
    public var side: Side
    public var direction: Direction
    /// Nodes whose tap is meant; empty: all.
    public var nodes: [String]
    public var present: Bool
    public init(
        protocol: String, port: UInt16, side: Side = .destination, direction: Direction, nodes: [String], present: Bool
    ) {
        self.protocol = `protocol`
        self.port = port
        self.side = side
        self.direction = direction
        self.nodes = nodes
        self.present = present
    }
}

/// Flows opened before the step's actions and running through them.
public struct StreamExpectation: Codable, Sendable {
    public var from: EndpointSelector
    public var to: EndpointSelector
    public var `where`: Placement?
    public var protocols: [ProbeProtocol]
    /// Whether the flows must be answered to the end of the step, over every protocol.
    public var survive: Bool
    /// Longest time without an answer that is accepted, milliseconds; nil: only reported.
    public var maxGapMillis: Int?
    public init(
        from: EndpointSelector, to: EndpointSelector, where placement: Placement?, protocols: [ProbeProtocol],
        survive: Bool, maxGapMillis: Int?
    ) {
        self.from = from
        self.to = to
        self.where = placement
        self.protocols = protocols
        self.survive = survive
        self.maxGapMillis = maxGapMillis
    }
}

/// State of nodes: `ready`, `not-ready`, `crashed`, `paused`, `rebooted`, `agent-restarted`.
public struct NodeExpectation: Codable, Sendable {
    public static let states = ["ready", "crashed", "paused", "agent-down", "agent-restarted"]
    public var nodes: [String]
    public var state: String
    /// Part of what the agent's status says it gave up because the kernel lacks it; nil: not looked at.
    public var says: String?
    /// What there is of kube-proxy; nil: not looked at.
    public var kubeProxy: KubeProxy?

    public enum KubeProxy: String, Codable, Sendable, CaseIterable {
        /// Neither a chain or rule of its own in iptables, nor a process of its name.
        case absent = "none"
        /// Rules of its own, whoever keeps them.
        case rules
    }

    /// Addresses for pods that the cloud's interfaces have, in use or not; nil: not looked at.
    public var interfaceAddresses: Int?
    public init(
        nodes: [String], state: String, says: String? = nil, interfaceAddresses: Int? = nil, kubeProxy: KubeProxy? = nil
    ) {
        self.says = says
        self.interfaceAddresses = interfaceAddresses
        self.kubeProxy = kubeProxy
        self.nodes = nodes
        self.state = state
    }
}

public struct DiagnosisExpectation: Codable, Sendable {
    /// `underlay/vxlan-port-blocked`, or `none`.
    public var id: String
    /// Texts that must occur in the finding's summary or evidence: group, port, direction, node.
    public var mentions: [String]
    public init(id: String, mentions: [String]) {
        self.id = id
        self.mentions = mentions
    }
}
