import Shapes

/// `v1 Pod`. An agent gets what its datapath needs, and a manifest says what the pod runs and where.
public struct Pod: KubeObject {
    public static let kind = ObjectKind.pods
    public static let apiVersion = "v1"
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: Pod]> { \.pods }

    public var metadata = ObjectMeta()
    public var spec = Spec()
    public var status = Status()

    public init() {}
    public init(metadata: ObjectMeta, spec: Spec = Spec(), status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public static var about: StructDescription { StructDescription("Pod", "A pod.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.field("spec", &spec, "What runs, and where.")
        try visitor.serverOnly("status", &status)
    }

    public struct Spec: FieldStruct {
        public var nodeName: String?
        public var hostNetwork: Bool?
        public var containers: [Container] = []
        /// `Always` when left out.
        public var restartPolicy: RestartPolicy?

        public init() {}
        public init(nodeName: String? = nil, hostNetwork: Bool? = nil, containers: [Container] = []) {
            self.nodeName = nodeName
            self.hostNetwork = hostNetwork
            self.containers = containers
        }

        public static var about: StructDescription { StructDescription("pod's spec", "What runs, and where.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field(
                "nodeName", &nodeName, as: .text(.nonEmpty), "Node; the least loaded when left out.")
            try visitor.field(
                "containers", &containers, as: .list(Container.shape, atLeast: 1),
                "Programs, or names with a port that answers probes.")
            try visitor.field("restartPolicy", &restartPolicy, "When an ended program is started again; Always.")
            visitor.accepted([
                "activeDeadlineSeconds", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
                "enableServiceLinks", "hostAliases", "hostname", "imagePullSecrets", "initContainers",
                "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "securityContext",
                "serviceAccount", "serviceAccountName", "setHostnameAsFQDN", "subdomain",
                "terminationGracePeriodSeconds", "volumes",
            ])
            // Kubernetes knows these, and they would change where the pod is or what its network is.
            try visitor.refused("hostNetwork", &hostNetwork)
            visitor.refused(["affinity", "hostIPC", "hostPID", "nodeSelector", "os", "overhead", "runtimeClassName"])
            visitor.refused(["schedulerName", "tolerations", "topologySpreadConstraints"])
        }
    }

    public enum RestartPolicy: String, FieldWord {
        case always = "Always"
        case onFailure = "OnFailure"
        case never = "Never"
    }

    public struct Container: FieldStruct {
        public var name = ""
        public var ports: [Port] = []
        public var image: String?
        public var command: [String] = []
        public var args: [String] = []
        public var env: [Variable] = []

        public init() {}
        public init(name: String, ports: [Port] = []) {
            self.name = name
            self.ports = ports
        }

        public static var about: StructDescription {
            StructDescription(
                "container",
                "A container: a program of the userland disk, or only a port that answers TCP and UDP echo.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("name", &name, as: .text(.dnsLabel), "Name.")
            try visitor.field(
                "ports", &ports,
                "A program's own; without a program, the first one answers echo, 8080 when none is given.")
            try visitor.field(
                "image", &image, as: .text(.nonEmpty),
                "Without a command, stands for one if the lab knows the image.")
            try visitor.field("command", &command, "Program and first arguments, in place of the image's.")
            try visitor.field("args", &args, "Arguments.")
            try visitor.field("env", &env, "Environment.")
            visitor.accepted([
                "envFrom", "imagePullPolicy", "lifecycle", "livenessProbe", "readinessProbe", "resources",
                "securityContext", "startupProbe", "stdin", "terminationMessagePath", "tty", "volumeMounts",
                "workingDir",
            ])
        }
    }

    public struct Variable: FieldStruct {
        public var name = ""
        public var value: String?

        public init() {}

        public static var about: StructDescription { StructDescription("env", "A variable.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("name", &name, as: .text(.nonEmpty), "Name.")
            try visitor.field("value", &value, "Value; empty.")
            visitor.accepted(["valueFrom"])
        }
    }

    public struct Port: FieldStruct {
        public var name: String?
        public var containerPort: UInt16 = 0
        public var hostPort: UInt16?
        public var hostIP: String?
        public var `protocol` = TransportProtocol.tcp

        public init() {}
        public init(
            name: String? = nil, containerPort: UInt16, hostPort: UInt16? = nil, hostIP: String? = nil,
            protocol: TransportProtocol = .tcp
        ) {
            self.name = name
            self.containerPort = containerPort
            self.hostPort = hostPort
            self.hostIP = hostIP
            self.protocol = `protocol`
        }

        public static var about: StructDescription { StructDescription("port", "A port.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("containerPort", &containerPort, "Number.")
            try visitor.field(
                "name", &name, as: .text(.portName), "Name, by which services and policies may call it.")
            try visitor.field("protocol", &`protocol`, "TCP; both are answered.")
            try visitor.field("hostPort", &hostPort, "Port of the node that leads to it.")
            try visitor.field(
                "hostIP", &hostIP, as: .text(.address), "Address of the node; all when left out.")
        }
    }

    public struct Status: FieldStruct {
        /// `Pending`, `Running`, `Succeeded`, `Failed`.
        public var phase: String?
        public var podIP: String?
        public var hostIP: String?
        public var conditions: [Condition] = []

        public init() {}
        public init(phase: String? = nil, podIP: String? = nil, hostIP: String? = nil, conditions: [Condition] = []) {
            self.phase = phase
            self.podIP = podIP
            self.hostIP = hostIP
            self.conditions = conditions
        }

        public static var about: StructDescription { StructDescription("Pod's status", "What its node says of it.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("phase", &phase, "Pending, Running, Succeeded or Failed.")
            try visitor.field("podIP", &podIP, as: .text(.address), "Its address.")
            try visitor.field("hostIP", &hostIP, as: .text(.address), "Its node's address.")
            try visitor.field("conditions", &conditions, "Conditions.")
        }
    }

    public struct Condition: FieldStruct {
        /// `Ready`, …
        public var type = ""
        /// `True`, `False`, `Unknown`.
        public var status = ""

        public init() {}
        public init(type: String, status: String) {
            self.type = type
            self.status = status
        }

        public static var about: StructDescription { StructDescription("Pod's condition", "A condition.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("type", &type, "Type.")
            try visitor.required("status", &status, "True, False or Unknown.")
        }
    }
}

extension Pod {
    public var isReady: Bool { status.conditions.contains { $0.type == "Ready" && $0.status == "True" } }

    /// The number of the port of this name, of the first container that has it.
    public func port(named name: String, protocol: TransportProtocol) -> UInt16? {
        spec.containers.lazy.flatMap(\.ports)
            .first { $0.name == name && ($0.protocol == `protocol` || `protocol` == .any) }?.containerPort
    }
}
