import Shapes

/// `v1 Service`. What the API server fills in when a manifest leaves it out is filled in on reading.
public struct Service: KubeObject {
    public static let kind = ObjectKind.services
    public static let apiVersion = "v1"
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: Service]> { \.services }

    public var metadata = ObjectMeta()
    public var spec = Spec()
    public var status = Status()

    public init() {}
    public init(metadata: ObjectMeta, spec: Spec, status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public static var about: StructDescription {
        StructDescription("Service", "A service; address and node ports are allocated when left out.")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.required("spec", &spec, "What it stands for.")
        try visitor.field("status", &status, "The load balancer's addresses.")
    }

    public enum ServiceType: String, FieldWord {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case loadBalancer = "LoadBalancer"
        case externalName = "ExternalName"
    }

    public enum SessionAffinity: String, FieldWord {
        case none = "None"
        case clientIP = "ClientIP"
    }

    public enum TrafficPolicy: String, FieldWord {
        case cluster = "Cluster"
        case local = "Local"
    }

    public struct Spec: FieldStruct {
        public var type = ServiceType.clusterIP
        /// Nil until one is allocated; `None` for a headless service.
        public var clusterIP: String?
        public var clusterIPs: [String] = []
        /// Empty if somebody else makes the service's endpoint slices.
        public var selector: [String: String] = [:]
        public var ports: [Port] = []
        public var externalIPs: [String] = []
        public var externalName: String?
        public var loadBalancerIP: String?
        public var loadBalancerSourceRanges: [String] = []
        public var sessionAffinity = SessionAffinity.none
        public var sessionAffinityConfig: SessionAffinityConfig?
        public var internalTrafficPolicy = TrafficPolicy.cluster
        public var externalTrafficPolicy = TrafficPolicy.cluster
        public var healthCheckNodePort: UInt16?
        public var allocateLoadBalancerNodePorts: Bool?
        public var publishNotReadyAddresses: Bool?

        public init() {}
        public init(
            type: ServiceType = .clusterIP, clusterIP: String? = nil, selector: [String: String] = [:],
            ports: [Port] = [], externalIPs: [String] = [], sessionAffinity: SessionAffinity = .none,
            internalTrafficPolicy: TrafficPolicy = .cluster, externalTrafficPolicy: TrafficPolicy = .cluster
        ) {
            self.type = type
            self.clusterIP = clusterIP
            clusterIPs = clusterIP.map { [$0] } ?? []
            self.selector = selector
            self.ports = ports
            self.externalIPs = externalIPs
            self.sessionAffinity = sessionAffinity
            self.internalTrafficPolicy = internalTrafficPolicy
            self.externalTrafficPolicy = externalTrafficPolicy
        }

        public static var about: StructDescription {
            StructDescription(
                "Service's spec", "What the service stands for.", refusal: "the lab's services do not have it")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("type", &type, "ClusterIP.")
            try visitor.field(
                "clusterIP", &clusterIP, as: .text(.clusterIP),
                "An address of the lab's service range, or None for a headless one.")
            try visitor.field("clusterIPs", &clusterIPs, as: .list(.text(.clusterIP)), "The same; one address.")
            try visitor.field(
                "selector", &selector, "Labels of its pods; without it, endpoint slices are given by hand.")
            try visitor.field("ports", &ports, "Its ports.")
            try visitor.field(
                "externalIPs", &externalIPs, as: .list(.text(.address)), "Further addresses, on every node.")
            try visitor.field(
                "externalName", &externalName, as: .text(.nonEmpty), "Name that stands for it; type ExternalName.")
            try visitor.field(
                "loadBalancerIP", &loadBalancerIP, as: .text(.address), "The load balancer's address.")
            try visitor.field(
                "loadBalancerSourceRanges", &loadBalancerSourceRanges, as: .list(.text(.cidr)),
                "Who may use the load balancer.")
            try visitor.field("sessionAffinity", &sessionAffinity, "None.")
            try visitor.field(
                "sessionAffinityConfig", &sessionAffinityConfig, "How long a client keeps its backend.")
            try visitor.field("internalTrafficPolicy", &internalTrafficPolicy, "Cluster.")
            try visitor.field("externalTrafficPolicy", &externalTrafficPolicy, "Cluster.")
            try visitor.refused("healthCheckNodePort", &healthCheckNodePort)
            try visitor.field("allocateLoadBalancerNodePorts", &allocateLoadBalancerNodePorts, "True.")
            try visitor.field("publishNotReadyAddresses", &publishNotReadyAddresses, "False.")
            visitor.accepted("ipFamilies", as: .list(.choice(["IPv4"])), "IPv4.")
            visitor.accepted("ipFamilyPolicy", as: .choice(["SingleStack"]), "SingleStack.")
            visitor.refused(["loadBalancerClass", "trafficDistribution"])
        }

        public mutating func fillIn() {
            if clusterIP?.isEmpty == true { clusterIP = nil }
        }
    }

    public struct SessionAffinityConfig: FieldStruct {
        public var clientIP: ClientIP?

        public init() {}
        public init(clientIP: ClientIP?) { self.clientIP = clientIP }

        public static var about: StructDescription {
            StructDescription("session affinity", "How long a client keeps its backend.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("clientIP", &clientIP, "By the client's address.")
        }

        public struct ClientIP: FieldStruct {
            public var timeoutSeconds: Int?

            public init() {}
            public init(timeoutSeconds: Int?) { self.timeoutSeconds = timeoutSeconds }

            public static var about: StructDescription {
                StructDescription("client affinity", "By the client's address.")
            }
            public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
                try visitor.field("timeoutSeconds", &timeoutSeconds, as: .integer(1...86_400), "10800.")
            }
        }
    }

    public struct Port: FieldStruct {
        /// Nil or empty when the service has one port only.
        public var name: String?
        public var `protocol` = TransportProtocol.tcp
        public var port: UInt16 = 0
        /// The same number as `port` when left out.
        public var targetPort = IntOrString.integer(0)
        /// Nil until one is allocated.
        public var nodePort: UInt16?
        public var appProtocol: String?

        public init() {}
        public init(
            name: String? = nil, protocol: TransportProtocol = .tcp, port: UInt16, targetPort: IntOrString? = nil,
            nodePort: UInt16? = nil
        ) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
            self.targetPort = targetPort ?? .integer(Int(port))
            self.nodePort = nodePort
        }

        public static var about: StructDescription { StructDescription("service port", "A port of the service.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("name", &name, as: .text(.dnsLabel), "Name; required when there are several.")
            try visitor.field("protocol", &`protocol`, "TCP.")
            try visitor.required("port", &port, "Number.")
            try visitor.field("targetPort", &targetPort, "Port of the pods, by number or name; the same number.")
            try visitor.field(
                "nodePort", &nodePort, as: .integer(30_000...32_767), "Port of the nodes; allocated when left out.")
            try visitor.field("appProtocol", &appProtocol, "Accepted.")
        }

        /// Does what Kubernetes' `SetDefaults_Service` does: zero stands for a number that is left out.
        public mutating func fillIn() {
            if targetPort == .integer(0) { targetPort = .integer(Int(port)) }
            if nodePort == 0 { nodePort = nil }
        }
    }

    public struct Status: FieldStruct {
        public var loadBalancer: LoadBalancer?

        public init() {}
        public init(loadBalancer: LoadBalancer? = nil) { self.loadBalancer = loadBalancer }

        public static var about: StructDescription {
            StructDescription("Service's status", "What the cloud's load balancer would write.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("loadBalancer", &loadBalancer, "The load balancer.")
        }
    }

    public struct LoadBalancer: FieldStruct {
        public var ingress: [Ingress] = []

        public init() {}
        public init(ingress: [Ingress] = []) { self.ingress = ingress }

        public static var about: StructDescription { StructDescription("load balancer", "The load balancer.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("ingress", &ingress, "Its addresses.")
        }
    }

    public struct Ingress: FieldStruct {
        public var ip: String?
        public var hostname: String?

        public init() {}
        public init(ip: String? = nil, hostname: String? = nil) {
            self.ip = ip
            self.hostname = hostname
        }

        public static var about: StructDescription { StructDescription("load balancer address", "An address.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("ip", &ip, as: .text(.address), "Address.")
            try visitor.field("hostname", &hostname, as: .text(.nonEmpty), "Name.")
        }
    }
}

extension Service {
    /// `clusterIP: None`: the service has no address of its own, and its name stands for its endpoints.
    public var isHeadless: Bool { spec.clusterIP == "None" }

    /// The service's addresses in the cluster. There are none if it is headless, stands for an external name, or has
    /// not been given one yet.
    public var clusterAddresses: [String] {
        guard !isHeadless, spec.type != .externalName else { return [] }
        return spec.clusterIPs.isEmpty ? spec.clusterIP.map { [$0] } ?? [] : spec.clusterIPs
    }

    /// The addresses that the cloud's load balancer gave the service.
    public var loadBalancerAddresses: [String] {
        guard spec.type == .loadBalancer else { return [] }
        return (status.loadBalancer?.ingress ?? []).compactMap(\.ip)
    }

    /// How long a client stays with its backend, in seconds; nil without affinity. Kubernetes' default is three hours.
    public var affinityTimeout: Int? {
        guard spec.sessionAffinity == .clientIP else { return nil }
        return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800
    }
}

extension TextRule {
    static let clusterIP = TextRule(
        pattern: "^(None|[0-9]{1,3}(\\.[0-9]{1,3}){3}|)$", expected: "an IPv4 address such as 10.100.0.5, or None"
    ) { $0 == "None" || $0.isEmpty || address.accepts($0) }
}
