import Expectations
public import JSON
import KubeObjects
import Matrix
public import Observations
import Readings

/// A scenario as its file describes it: `apiVersion: labrun.dev/v1alpha1`, `kind: Scenario`. It is parsed and checked,
/// and only the lab profile that it names has to be looked up.
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
        /// The name of a lab profile.
        public var lab: String
        public var overrides: LabOverrides
        public var workloads: [Workload]
        /// Services, policies and other objects that the agents know from the start.
        public var objects: [ClusterObject]
        /// What the API server gets before the first step, in a lab with a control plane, in place of workloads and
        /// objects.
        public var served: [ServedManifest]
        /// The pairs that are measured.
        public var probes: ProbePlanSpec
        public var timeline: [Step]
        public init(
            lab: String, overrides: LabOverrides, workloads: [Workload], objects: [ClusterObject] = [],
            served: [ServedManifest] = [], probes: ProbePlanSpec, timeline: [Step]
        ) {
            self.lab = lab
            self.overrides = overrides
            self.workloads = workloads
            self.objects = objects
            self.served = served
            self.probes = probes
            self.timeline = timeline
        }
    }

    public init(metadata: Metadata, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    /// Whether a pod, a fault, an expectation or the lab itself runs a program in a node, or an API server may ask for
    /// one. The nodes then get the userland disk.
    public func needsUserland(in profile: LabProfile, faults: [FaultDescriptor]) -> Bool {
        let injected = spec.timeline.flatMap(\.actions).compactMap { action in
            if case .inject(let call) = action { call.kind } else { nil }
        }
        let readsKubeProxy = spec.timeline.contains { $0.expect?.needs.contains(.kubeProxy) ?? false }
        let startsKubeProxy = spec.timeline.flatMap(\.actions).contains { action in
            if case .set(let values) = action { values[Action.kubeProxy] == "true" } else { false }
        }
        // What images stand for is the nodes' to know.
        return podsNeedUserland || profile.controlPlane.enabled || profile.kubeProxy.enabled || startsKubeProxy
            || readsKubeProxy
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

/// A pod, or a workload that makes pods, in Kubernetes' form (`v1 Pod`, `apps/v1 Deployment`, `apps/v1 DaemonSet`),
/// reduced to what places and names them.
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
    /// The number of replicas, for Deployments only.
    public var replicas: Int
    /// The node that `spec.nodeName` names, for Pods only.
    public var nodeName: String?
    /// The port that answers TCP and UDP echo: the first `containerPort` that no program uses, or 8080 if none is
    /// given.
    public var port: UInt16
    /// All ports of all containers.
    public var ports: [Pod.Port]
    /// The containers that run a program. The others only answer probes.
    public var programs: [ContainerProgram]
    /// The restart policy: `Always`, `OnFailure` or `Never`.
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

/// Changes to the lab profile, from the file or from `--set path=value`, `--nodes` and `--kernel`.
public struct LabOverrides: Codable, Sendable {
    public var nodeCount: Int?
    /// How many of the nodes join later.
    public var laterCount: Int?
    /// Further labels and taints, of all nodes and of some.
    public var traits = NodeTraits()
    public var namedTraits: [NamedTraits] = []
    /// The memory that nodes must have left.
    public var evictionMemory: String?
    public var kernel: String?
    public var memoryMiB: Int?
    public var kubelet: NodeKubeletKind?
    public var datapathValues: [String: String]
    /// How the datapath agent comes to the nodes.
    public var install: DatapathInstallation.Kind?
    /// Parts of `DatapathInstallation.placement`.
    public var daemonSet: [String: JSONValue] = [:]
    /// Whether kube-proxy runs.
    public var kubeProxy: Bool?
    /// The machine type of the nodes, one of `InstanceLimits.byType`.
    public var instanceType: String?
    public var cloudPlugin: LabProfile.CloudPlugin?
    /// Whether the lab has a control plane.
    public var controlPlane: Bool?
    /// The folder of the control plane's programs.
    public var controlPlaneBinaries: String?
    /// The series of the control plane, such as `1.20`.
    public var controlPlaneVersion: String?
    public var cloudController: Bool?
    public var autoscaler: Bool?
    public var configureCloudRoutes: Bool?
    public var gatewayController: Bool?
    /// The path of an `images.yaml`, as seen from the working directory.
    public var images: String?
    public init(
        nodeCount: Int? = nil, kernel: String? = nil, memoryMiB: Int? = nil, datapathValues: [String: String] = [:]
    ) {
        self.nodeCount = nodeCount
        self.kernel = kernel
        self.memoryMiB = memoryMiB
        self.datapathValues = datapathValues
    }
}

/// A step of the timeline: actions in the order given, and then expectations.
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
    /// The path in `set` for the instance type of all nodes.
    public static let instanceType = "nodes.instanceType"
    /// The path in `set` for whether kube-proxy runs on the nodes. If it does not, its rules are removed.
    public static let kubeProxy = "kubeProxy.enabled"

    /// Starts a fault. Its id is the one that `heal` names, by default its kind.
    case inject(FaultCall)
    case heal(id: String)
    case apply(Workload)
    case delete(kind: Workload.Kind, namespace: String, name: String)
    case applyObject(ClusterObject)
    case deleteObject(ObjectKind, ObjectKey)
    /// Sets values by their paths, `datapath.values.NAME`, all at once.
    case set([String: String])
    case scale(namespace: String, name: String, replicas: Int)
    /// Sends objects to the API server of a lab that has one.
    case applyServed([ServedManifest])
    case deleteServed(ObjectQuery)
    case scaleServed(ObjectQuery, replicas: Int)
    /// Powers on nodes that are not there, and brings them up as at the start.
    case join([String])
    /// Powers off nodes, which are then no part of the cluster any more. Their pods go with them.
    case leave([String])
    /// Waits until a condition of a node or pod holds. It never waits for a fixed time.
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
