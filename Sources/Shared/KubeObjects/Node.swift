/// `v1 Node`, as far as a datapath needs it.
public struct Node: KubeObject {
    public static let kind = ObjectKind.nodes
    public var metadata: ObjectMeta
    public var spec: Spec
    public var status: Status

    public struct Spec: Codable, Sendable, Hashable {
        /// `192.168.1.0/24`; nil until the cluster gives the node one.
        public var podCIDR: String?
        @OrEmpty public var podCIDRs: [String]
        public var providerID: String?
        public init(podCIDR: String? = nil, providerID: String? = nil) {
            self.podCIDR = podCIDR
            _podCIDRs = OrEmpty(wrappedValue: podCIDR.map { [$0] } ?? [])
            self.providerID = providerID
        }
    }

    public struct Status: Codable, Sendable, Hashable {
        @OrEmpty public var addresses: [Address]
        public init(addresses: [Address] = []) { _addresses = OrEmpty(wrappedValue: addresses) }
    }

    public struct Address: Codable, Sendable, Hashable {
        /// `InternalIP`, `ExternalIP`, `Hostname`, …
        public var type: String
        public var address: String
        public init(type: String, address: String) {
            self.type = type
            self.address = address
        }
    }

    public init(metadata: ObjectMeta, spec: Spec = Spec(), status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMeta.self, forKey: .metadata)
        spec = try fields.read(.spec, or: Spec())
        status = try fields.read(.status, or: Status())
    }

    /// First address of type `InternalIP`.
    public var internalIP: String? { status.addresses.first { $0.type == "InternalIP" }?.address }
}

/// `v1 Namespace`.
public struct Namespace: KubeObject {
    public static let kind = ObjectKind.namespaces
    /// The API server gives every namespace this label with its name.
    public static let nameLabel = "kubernetes.io/metadata.name"
    public var metadata: ObjectMeta
    public init(metadata: ObjectMeta) { self.metadata = metadata }
}
