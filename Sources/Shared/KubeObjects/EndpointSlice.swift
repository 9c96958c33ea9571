import Shapes

/// `discovery.k8s.io/v1 EndpointSlice`.
public struct EndpointSlice: KubeObject {
    public static let kind = ObjectKind.endpointSlices
    public static let apiVersion = "discovery.k8s.io/v1"
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: EndpointSlice]> { \.endpointSlices }
    /// The label with the name of the service whose endpoints these are.
    public static let serviceNameLabel = "kubernetes.io/service-name"
    /// The label that says who makes the slice.
    public static let managedByLabel = "endpointslice.kubernetes.io/managed-by"

    public var metadata = ObjectMeta()
    public var addressType = AddressType.ipv4
    public var endpoints: [Endpoint] = []
    public var ports: [Port] = []

    public init() {}
    public init(
        metadata: ObjectMeta, addressType: AddressType = .ipv4, endpoints: [Endpoint] = [], ports: [Port] = []
    ) {
        self.metadata = metadata
        self.addressType = addressType
        self.endpoints = endpoints
        self.ports = ports
    }

    public static var about: StructDescription {
        StructDescription(
            "EndpointSlice", "Endpoints given by hand; the label kubernetes.io/service-name says whose.")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.required("addressType", &addressType, as: .choice([AddressType.ipv4.rawValue]), "IPv4.")
        try visitor.field("endpoints", &endpoints, isNeeded: true, "Endpoints.")
        try visitor.field("ports", &ports, "Ports of all of them.")
    }

    public enum AddressType: String, FieldWord {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"
    }

    public struct Endpoint: FieldStruct {
        /// Kubernetes' own consumers take the first one.
        public var addresses: [String] = []
        public var conditions = Conditions()
        public var hostname: String?
        public var nodeName: String?
        public var targetRef: Reference?

        public init() {}
        public init(
            addresses: [String], conditions: Conditions = Conditions(), hostname: String? = nil,
            nodeName: String? = nil, targetRef: Reference? = nil
        ) {
            self.addresses = addresses
            self.conditions = conditions
            self.hostname = hostname
            self.nodeName = nodeName
            self.targetRef = targetRef
        }

        public static var about: StructDescription { StructDescription("endpoint", "An endpoint.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field(
                "addresses", &addresses, as: .list(.text(.address), atLeast: 1), isNeeded: true, "Its address.")
            try visitor.field("conditions", &conditions, "State; ready when left out.")
            try visitor.field("hostname", &hostname, as: .text(.dnsLabel), "Name in a headless service.")
            try visitor.field("nodeName", &nodeName, as: .text(.nonEmpty), "Node that it is on.")
            try visitor.field("targetRef", &targetRef, as: .any, "Accepted, not acted on.")
            visitor.accepted("zone", as: .text())
            visitor.accepted(["hints"])
        }
    }

    public struct Conditions: FieldStruct {
        public var ready: Bool?
        public var serving: Bool?
        public var terminating: Bool?

        public init() {}
        public init(ready: Bool? = nil, serving: Bool? = nil, terminating: Bool? = nil) {
            self.ready = ready
            self.serving = serving
            self.terminating = terminating
        }

        public static var about: StructDescription {
            StructDescription("conditions", "State; ready when left out.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("ready", &ready, "State.")
            try visitor.field("serving", &serving, "State.")
            try visitor.field("terminating", &terminating, "State.")
        }

        /// Unknown counts as ready (API documentation of `EndpointConditions`).
        public var isReady: Bool { ready ?? true }
        /// Unknown counts as what `ready` says.
        public var isServing: Bool { serving ?? isReady }
        public var isTerminating: Bool { terminating ?? false }
    }

    /// `corev1.ObjectReference`, as far as it names an object.
    public struct Reference: FieldStruct {
        public var kind: String?
        public var namespace: String?
        public var name: String?

        public init() {}
        public init(kind: String?, namespace: String?, name: String?) {
            self.kind = kind
            self.namespace = namespace
            self.name = name
        }

        public static var about: StructDescription { StructDescription("object reference", "An object.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("kind", &kind, "Kind.")
            try visitor.field("namespace", &namespace, "Namespace.")
            try visitor.field("name", &name, "Name.")
        }
    }

    public struct Port: FieldStruct {
        /// The name of the service's port; nil or empty when the service has one port only.
        public var name: String?
        public var `protocol` = TransportProtocol.tcp
        /// Nil stands for all ports.
        public var port: UInt16?

        public init() {}
        public init(name: String? = nil, protocol: TransportProtocol = .tcp, port: UInt16?) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
        }

        public static var about: StructDescription { StructDescription("endpoint port", "A port.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("name", &name, "Name of the service's port.")
            try visitor.field("protocol", &`protocol`, "TCP.")
            try visitor.field("port", &port, isNeeded: true, "Number.")
            visitor.accepted("appProtocol", as: .text(), "Accepted.")
        }
    }

    /// The service whose endpoints these are; nil without the label that says so.
    public var service: ObjectKey? {
        metadata.labels[Self.serviceNameLabel].map { ObjectKey(namespace: metadata.namespace, name: $0) }
    }
}
