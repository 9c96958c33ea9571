import Shapes

/// `networking.k8s.io/v1 NetworkPolicy`.
public struct NetworkPolicy: KubeObject {
    public static let kind = ObjectKind.networkPolicies
    public static let apiVersion = "networking.k8s.io/v1"
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: NetworkPolicy]> { \.networkPolicies }

    public var metadata = ObjectMeta()
    public var spec = Spec()

    public init() {}
    public init(metadata: ObjectMeta, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    public static var about: StructDescription {
        StructDescription("NetworkPolicy", "What may come to pods and go from them.")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.required("spec", &spec, "Whom it isolates, and what is allowed.")
    }

    public enum PolicyType: String, FieldWord {
        case ingress = "Ingress"
        case egress = "Egress"
    }

    public struct Spec: FieldStruct {
        public var podSelector = LabelSelector()
        public var policyTypes: [PolicyType] = []
        public var ingress: [IngressRule] = []
        public var egress: [EgressRule] = []

        public init() {}
        public init(
            podSelector: LabelSelector = LabelSelector(), policyTypes: [PolicyType] = [],
            ingress: [IngressRule] = [], egress: [EgressRule] = []
        ) {
            self.podSelector = podSelector
            self.policyTypes = policyTypes
            self.ingress = ingress
            self.egress = egress
        }

        public static var about: StructDescription {
            StructDescription("NetworkPolicy's spec", "Whom it isolates, and what is allowed.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("podSelector", &podSelector, isNeeded: true, "Pods of its namespace.")
            try visitor.field("policyTypes", &policyTypes, "Directions it isolates.")
            try visitor.field("ingress", &ingress, "What may come.")
            try visitor.field("egress", &egress, "What may go.")
        }

        /// The directions that the policy isolates. When they are left out, ingress is always isolated, and egress if
        /// the policy has egress rules.
        public var isolates: Set<PolicyType> {
            if !policyTypes.isEmpty { return Set(policyTypes) }
            return egress.isEmpty ? [.ingress] : [.ingress, .egress]
        }
    }

    /// A connection must match a peer and a port. No peers stand for everybody, no ports for all ports.
    public struct IngressRule: FieldStruct {
        public var from: [Peer] = []
        public var ports: [Port] = []

        public init() {}
        public init(from peers: [Peer] = [], ports: [Port] = []) {
            from = peers
            self.ports = ports
        }

        public static var about: StructDescription {
            StructDescription("NetworkPolicy rule (from)", "Peers and ports; everybody and all when left out.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("from", &from, "Peers.")
            try visitor.field("ports", &ports, "Ports.")
        }
    }

    public struct EgressRule: FieldStruct {
        public var to: [Peer] = []
        public var ports: [Port] = []

        public init() {}
        public init(to peers: [Peer] = [], ports: [Port] = []) {
            to = peers
            self.ports = ports
        }

        public static var about: StructDescription {
            StructDescription("NetworkPolicy rule (to)", "Peers and ports; everybody and all when left out.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("to", &to, "Peers.")
            try visitor.field("ports", &ports, "Ports.")
        }
    }

    public struct Peer: FieldStruct {
        /// Selects pods of the policy's own namespace, or of those that `namespaceSelector` selects.
        public var podSelector: LabelSelector?
        public var namespaceSelector: LabelSelector?
        public var ipBlock: IPBlock?

        public init() {}
        public init(
            podSelector: LabelSelector? = nil, namespaceSelector: LabelSelector? = nil, ipBlock: IPBlock? = nil
        ) {
            self.podSelector = podSelector
            self.namespaceSelector = namespaceSelector
            self.ipBlock = ipBlock
        }

        public static var about: StructDescription {
            StructDescription(
                "NetworkPolicy peer", "Pods, or a network.", oneOf: ["podSelector", "namespaceSelector", "ipBlock"])
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("podSelector", &podSelector, "Pods.")
            try visitor.field(
                "namespaceSelector", &namespaceSelector, "Of these namespaces; its own when left out.")
            try visitor.field("ipBlock", &ipBlock, "A network.")
        }
    }

    public struct IPBlock: FieldStruct {
        public var cidr = ""
        public var except: [String] = []

        public init() {}
        public init(cidr: String, except: [String] = []) {
            self.cidr = cidr
            self.except = except
        }

        public static var about: StructDescription { StructDescription("ipBlock", "A network.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("cidr", &cidr, as: .text(.cidr), "Network.")
            try visitor.field("except", &except, as: .list(.text(.cidr)), "Parts that are not meant.")
        }
    }

    public struct Port: FieldStruct {
        public var `protocol` = TransportProtocol.tcp
        /// The number, or the name of a pod's port. Nil stands for all ports.
        public var port: IntOrString?
        /// The last port of a range that begins with `port`.
        public var endPort: UInt16?

        public init() {}
        public init(protocol: TransportProtocol = .tcp, port: IntOrString? = nil, endPort: UInt16? = nil) {
            self.protocol = `protocol`
            self.port = port
            self.endPort = endPort
        }

        public static var about: StructDescription { StructDescription("NetworkPolicy port", "A port or a range.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("protocol", &`protocol`, "TCP.")
            try visitor.field("port", &port, "Number, or name of a pod's port; all when left out.")
            try visitor.field("endPort", &endPort, "Last port of the range.")
        }
    }
}
