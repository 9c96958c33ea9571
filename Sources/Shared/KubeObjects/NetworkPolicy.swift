/// `networking.k8s.io/v1 NetworkPolicy`.
public struct NetworkPolicy: KubeObject {
    public static let kind = ObjectKind.networkPolicies
    public var metadata: ObjectMeta
    public var spec: Spec

    public enum PolicyType: String, Codable, Sendable, Hashable, CaseIterable {
        case ingress = "Ingress"
        case egress = "Egress"
    }

    public struct Spec: Codable, Sendable, Hashable {
        public var podSelector: LabelSelector
        @OrEmpty public var policyTypes: [PolicyType]
        @OrEmpty public var ingress: [IngressRule]
        @OrEmpty public var egress: [EgressRule]
        public init(
            podSelector: LabelSelector = LabelSelector(), policyTypes: [PolicyType] = [],
            ingress: [IngressRule] = [], egress: [EgressRule] = []
        ) {
            self.podSelector = podSelector
            _policyTypes = OrEmpty(wrappedValue: policyTypes)
            _ingress = OrEmpty(wrappedValue: ingress)
            _egress = OrEmpty(wrappedValue: egress)
        }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            podSelector = try fields.read(.podSelector, or: LabelSelector())
            _policyTypes = try fields.decode(OrEmpty<[PolicyType]>.self, forKey: .policyTypes)
            _ingress = try fields.decode(OrEmpty<[IngressRule]>.self, forKey: .ingress)
            _egress = try fields.decode(OrEmpty<[EgressRule]>.self, forKey: .egress)
        }

        /// The directions it isolates. When left out: ingress always, egress when it has egress rules.
        public var isolates: Set<PolicyType> {
            if !policyTypes.isEmpty { return Set(policyTypes) }
            return egress.isEmpty ? [.ingress] : [.ingress, .egress]
        }
    }

    /// Peers and ports are both required; no peers: everybody, no ports: all.
    public struct IngressRule: Codable, Sendable, Hashable {
        @OrEmpty public var from: [Peer]
        @OrEmpty public var ports: [Port]
        public init(from peers: [Peer] = [], ports: [Port] = []) {
            _from = OrEmpty(wrappedValue: peers)
            _ports = OrEmpty(wrappedValue: ports)
        }
    }

    public struct EgressRule: Codable, Sendable, Hashable {
        @OrEmpty public var to: [Peer]
        @OrEmpty public var ports: [Port]
        public init(to peers: [Peer] = [], ports: [Port] = []) {
            _to = OrEmpty(wrappedValue: peers)
            _ports = OrEmpty(wrappedValue: ports)
        }
    }

    public struct Peer: Codable, Sendable, Hashable {
        /// Pods of the policy's own namespace, or of those that `namespaceSelector` selects.
        public var podSelector: LabelSelector?
        public var namespaceSelector: LabelSelector?
        public var ipBlock: IPBlock?
        public init(
            podSelector: LabelSelector? = nil, namespaceSelector: LabelSelector? = nil, ipBlock: IPBlock? = nil
        ) {
            self.podSelector = podSelector
            self.namespaceSelector = namespaceSelector
            self.ipBlock = ipBlock
        }
    }

    public struct IPBlock: Codable, Sendable, Hashable {
        public var cidr: String
        @OrEmpty public var except: [String]
        public init(cidr: String, except: [String] = []) {
            self.cidr = cidr
            _except = OrEmpty(wrappedValue: except)
        }
    }

    public struct Port: Codable, Sendable, Hashable {
        public var `protocol`: TransportProtocol
        /// Number or a pod's port name; nil: all.
        public var port: IntOrString?
        /// Last port of a range that begins with `port`.
        public var endPort: UInt16?
        public init(protocol: TransportProtocol = .tcp, port: IntOrString? = nil, endPort: UInt16? = nil) {
            self.protocol = `protocol`
            self.port = port
            self.endPort = endPort
        }
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            `protocol` = try fields.read(.protocol, or: .tcp)
            port = try fields.decodeIfPresent(IntOrString.self, forKey: .port)
            endPort = try fields.decodeIfPresent(UInt16.self, forKey: .endPort)
        }
    }

    public init(metadata: ObjectMeta, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMeta.self, forKey: .metadata)
        spec = try fields.decode(Spec.self, forKey: .spec)
    }
}
