/// `discovery.k8s.io/v1 EndpointSlice`.
public struct EndpointSlice: KubeObject {
    public static let kind = ObjectKind.endpointSlices
    /// The label that says whose endpoints these are.
    public static let serviceNameLabel = "kubernetes.io/service-name"
    /// The label that says who makes the slice.
    public static let managedByLabel = "endpointslice.kubernetes.io/managed-by"

    public var metadata: ObjectMeta
    public var addressType: AddressType
    @OrEmpty public var endpoints: [Endpoint]
    @OrEmpty public var ports: [Port]

    public enum AddressType: String, Codable, Sendable, Hashable, CaseIterable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"
    }

    public struct Endpoint: Codable, Sendable, Hashable {
        /// Kubernetes' own consumers take the first one.
        @OrEmpty public var addresses: [String]
        public var conditions: Conditions
        public var hostname: String?
        public var nodeName: String?
        public var targetRef: Reference?

        public init(
            addresses: [String], conditions: Conditions = Conditions(), hostname: String? = nil,
            nodeName: String? = nil, targetRef: Reference? = nil
        ) {
            _addresses = OrEmpty(wrappedValue: addresses)
            self.conditions = conditions
            self.hostname = hostname
            self.nodeName = nodeName
            self.targetRef = targetRef
        }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            _addresses = try fields.decode(OrEmpty<[String]>.self, forKey: .addresses)
            conditions = try fields.read(.conditions, or: Conditions())
            hostname = try fields.decodeIfPresent(String.self, forKey: .hostname)
            nodeName = try fields.decodeIfPresent(String.self, forKey: .nodeName)
            targetRef = try fields.decodeIfPresent(Reference.self, forKey: .targetRef)
        }
    }

    public struct Conditions: Codable, Sendable, Hashable {
        public var ready: Bool?
        public var serving: Bool?
        public var terminating: Bool?
        public init(ready: Bool? = nil, serving: Bool? = nil, terminating: Bool? = nil) {
            self.ready = ready
            self.serving = serving
            self.terminating = terminating
        }
        /// Unknown counts as ready (API documentation of `EndpointConditions`).
        public var isReady: Bool { ready ?? true }
        /// Unknown counts as what `ready` says.
        public var isServing: Bool { serving ?? isReady }
        public var isTerminating: Bool { terminating ?? false }
    }

    public struct Reference: Codable, Sendable, Hashable {
        public var kind: String?
        public var namespace: String?
        public var name: String?
        public init(kind: String?, namespace: String?, name: String?) {
            self.kind = kind
            self.namespace = namespace
            self.name = name
        }
    }

    public struct Port: Codable, Sendable, Hashable {
        /// Name of the service's port; nil or empty when it has one only.
        public var name: String?
        public var `protocol`: TransportProtocol
        /// Nil: all ports.
        public var port: UInt16?
        public init(name: String? = nil, protocol: TransportProtocol = .tcp, port: UInt16?) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
        }
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decodeIfPresent(String.self, forKey: .name)
            `protocol` = try fields.read(.protocol, or: .tcp)
            port = try fields.decodeIfPresent(UInt16.self, forKey: .port)
        }
    }

    public init(
        metadata: ObjectMeta, addressType: AddressType = .ipv4, endpoints: [Endpoint] = [], ports: [Port] = []
    ) {
        self.metadata = metadata
        self.addressType = addressType
        _endpoints = OrEmpty(wrappedValue: endpoints)
        _ports = OrEmpty(wrappedValue: ports)
    }

    /// The service whose endpoints these are.
    public var service: ObjectKey? {
        metadata.labels[Self.serviceNameLabel].map { ObjectKey(namespace: metadata.namespace, name: $0) }
    }
}
