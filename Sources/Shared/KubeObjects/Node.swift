import Shapes

/// `v1 Node`, as far as a datapath needs it. The lab makes its nodes, so manifests cannot give any.
public struct Node: KubeObject {
    public static let kind = ObjectKind.nodes
    public static let apiVersion = "v1"
    public static let isNamespaced = false
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: Node]> { \.nodes }

    public var metadata = ObjectMeta()
    public var spec = Spec()
    public var status = Status()

    public init() {}
    public init(metadata: ObjectMeta, spec: Spec = Spec(), status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public static var about: StructDescription { StructDescription("Node", "A node.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.field("spec", &spec, "What the cluster gives it.")
        try visitor.field("status", &status, "What the node says of itself.")
    }

    public struct Spec: FieldStruct {
        /// `192.168.1.0/24`; nil until the cluster gives the node one.
        public var podCIDR: String?
        public var podCIDRs: [String] = []
        public var providerID: String?

        public init() {}
        public init(podCIDR: String? = nil, providerID: String? = nil) {
            self.podCIDR = podCIDR
            podCIDRs = podCIDR.map { [$0] } ?? []
            self.providerID = providerID
        }

        public static var about: StructDescription { StructDescription("Node's spec", "What the cluster gives it.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("podCIDR", &podCIDR, as: .text(.cidr), "Network of its pods.")
            try visitor.field("podCIDRs", &podCIDRs, as: .list(.text(.cidr)), "The same; one network.")
            try visitor.field("providerID", &providerID, "The machine's name in the cloud.")
        }
    }

    public struct Status: FieldStruct {
        public var addresses: [Address] = []

        public init() {}
        public init(addresses: [Address] = []) { self.addresses = addresses }

        public static var about: StructDescription {
            StructDescription("Node's status", "What the node says of itself.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("addresses", &addresses, "Its addresses.")
        }
    }

    public struct Address: FieldStruct {
        /// `InternalIP`, `ExternalIP`, `Hostname`, …
        public var type = ""
        public var address = ""

        public init() {}
        public init(type: String, address: String) {
            self.type = type
            self.address = address
        }

        public static var about: StructDescription { StructDescription("Node's address", "An address.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("type", &type, "Type.")
            try visitor.required("address", &address, "Address, or name.")
        }
    }

    /// The first address of type `InternalIP`.
    public var internalIP: String? { status.addresses.first { $0.type == "InternalIP" }?.address }
}
