/// `cilium.io/v2 CiliumNetworkPolicy`. Lists of peers are optional, because absent and empty differ: no list does not
/// restrict the peers, an empty one selects nobody.
public struct CiliumNetworkPolicy: KubeObject {
    public static let kind = ObjectKind.ciliumNetworkPolicies
    public var metadata: ObjectMeta
    public var spec: CiliumRule?
    @OrEmpty public var specs: [CiliumRule]

    public init(metadata: ObjectMeta, spec: CiliumRule? = nil, specs: [CiliumRule] = []) {
        self.metadata = metadata
        self.spec = spec
        _specs = OrEmpty(wrappedValue: specs)
    }

    /// `spec`, then `specs`.
    public var rules: [CiliumRule] { (spec.map { [$0] } ?? []) + specs }
}

/// `api.Rule`: whom it protects, and what may come and go. A rule with an ingress list, also an empty rule in it, makes
/// the endpoint deny other ingress; egress likewise.
public struct CiliumRule: Codable, Sendable, Hashable {
    public var description: String?
    public var endpointSelector: LabelSelector?
    public var ingress: [CiliumIngressRule]?
    public var ingressDeny: [CiliumIngressRule]?
    public var egress: [CiliumEgressRule]?
    public var egressDeny: [CiliumEgressRule]?
    public var enableDefaultDeny: DefaultDeny?
    public var nodeSelector: Unread?

    public struct DefaultDeny: Codable, Sendable, Hashable {
        public var ingress: Bool?
        public var egress: Bool?
        public init(ingress: Bool? = nil, egress: Bool? = nil) {
            self.ingress = ingress
            self.egress = egress
        }
    }

    public init(endpointSelector: LabelSelector? = nil) { self.endpointSelector = endpointSelector }
}

public struct CiliumIngressRule: Codable, Sendable, Hashable {
    public var fromEndpoints: [LabelSelector]?
    public var fromCIDR: [String]?
    public var fromCIDRSet: [CiliumCIDR]?
    public var fromEntities: [CiliumEntity]?
    public var toPorts: [CiliumPortRule]?
    public var icmps: [CiliumICMPRule]?
    public var fromRequires: Unread?
    public var fromNodes: Unread?
    public var fromGroups: Unread?
    public var authentication: Unread?
    public init() {}
}

public struct CiliumEgressRule: Codable, Sendable, Hashable {
    public var toEndpoints: [LabelSelector]?
    public var toCIDR: [String]?
    public var toCIDRSet: [CiliumCIDR]?
    public var toEntities: [CiliumEntity]?
    public var toFQDNs: [CiliumFQDN]?
    public var toServices: [CiliumServiceReference]?
    public var toPorts: [CiliumPortRule]?
    public var icmps: [CiliumICMPRule]?
    public var toRequires: Unread?
    public var toNodes: Unread?
    public var toGroups: Unread?
    public var authentication: Unread?
    public init() {}
}

public struct CiliumCIDR: Codable, Sendable, Hashable {
    /// Absent in an entry that names its ranges otherwise.
    public var cidr: String?
    @OrEmpty public var except: [String]
    public var cidrGroupRef: Unread?
    public var cidrGroupSelector: Unread?
    public init(cidr: String?, except: [String] = []) {
        self.cidr = cidr
        _except = OrEmpty(wrappedValue: except)
    }
}

/// `api.Entity`.
public enum CiliumEntity: String, Codable, Sendable, Hashable, CaseIterable {
    case all, world, cluster, host, health, unmanaged, none
    case initial = "init"
    case ingress
    case remoteNode = "remote-node"
    case kubeAPIServer = "kube-apiserver"
    case worldIPv4 = "world-ipv4"
    case worldIPv6 = "world-ipv6"
}

/// `api.PortRule`: ports, and what the requests to them must be.
public struct CiliumPortRule: Codable, Sendable, Hashable {
    @OrEmpty public var ports: [CiliumPort]
    public var rules: CiliumL7Rules?
    public var listener: Unread?
    public var terminatingTLS: Unread?
    public var originatingTLS: Unread?
    public var serverNames: Unread?
    public init(ports: [CiliumPort] = [], rules: CiliumL7Rules? = nil) {
        _ports = OrEmpty(wrappedValue: ports)
        self.rules = rules
    }
}

public struct CiliumPort: Codable, Sendable, Hashable {
    /// A number written as text, or a pod's port name; 0 means all.
    public var port: IntOrString
    /// Last port of a range that begins with `port`.
    public var endPort: UInt16?
    public var `protocol`: TransportProtocol
    public init(port: IntOrString, endPort: UInt16? = nil, protocol: TransportProtocol = .any) {
        self.port = port
        self.endPort = endPort
        self.protocol = `protocol`
    }
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        port = try fields.read(.port, or: .integer(0))
        endPort = try fields.decodeIfPresent(UInt16.self, forKey: .endPort)
        `protocol` = try fields.read(.protocol, or: .any)
    }
}

public struct CiliumL7Rules: Codable, Sendable, Hashable {
    public var http: [CiliumHTTPRule]?
    public var dns: [CiliumFQDN]?
    public var kafka: Unread?
    public var l7proto: Unread?
    public var l7: Unread?
    public init(http: [CiliumHTTPRule]? = nil, dns: [CiliumFQDN]? = nil) {
        self.http = http
        self.dns = dns
    }
}

/// `api.PortRuleHTTP`: all that is given must match; `path`, `method` and `host` are extended POSIX regular expressions
/// over the whole text.
public struct CiliumHTTPRule: Codable, Sendable, Hashable {
    public var path: String?
    public var method: String?
    public var host: String?
    /// `Name: value`, or `Name` alone when it must only be there.
    @OrEmpty public var headers: [String]
    public var headerMatches: [CiliumHeaderMatch]?
    public init(path: String? = nil, method: String? = nil, host: String? = nil, headers: [String] = []) {
        self.path = path
        self.method = method
        self.host = host
        _headers = OrEmpty(wrappedValue: headers)
    }
}

/// `api.HeaderMatch`: a header that must be there, with this value if one is given.
public struct CiliumHeaderMatch: Codable, Sendable, Hashable {
    /// What happens to a request that does not match; refused (`FAIL`) when left out.
    public var mismatch: String?
    public var name: String
    public var secret: Unread?
    public var value: String?
    public init(name: String, value: String? = nil, mismatch: String? = nil) {
        self.name = name
        self.value = value
        self.mismatch = mismatch
    }
}

/// `api.FQDNSelector`: a name, or a pattern in which `*` stands for any characters of a label.
public struct CiliumFQDN: Codable, Sendable, Hashable {
    public var matchName: String?
    public var matchPattern: String?
    public init(matchName: String? = nil, matchPattern: String? = nil) {
        self.matchName = matchName
        self.matchPattern = matchPattern
    }
}

/// `api.Service`: one by its name, or several by their labels.
public struct CiliumServiceReference: Codable, Sendable, Hashable {
    public struct Named: Codable, Sendable, Hashable {
        public var serviceName: String?
        public var namespace: String?
    }
    public struct Selected: Codable, Sendable, Hashable {
        public var selector: LabelSelector?
        public var namespace: String?
    }
    public var k8sService: Named?
    public var k8sServiceSelector: Selected?
}

public struct CiliumICMPRule: Codable, Sendable, Hashable {
    public struct Field: Codable, Sendable, Hashable {
        /// `IPv4` (when left out) or `IPv6`.
        public var family: String?
        /// ICMP type as a number, or a name such as `EchoRequest`.
        public var type: IntOrString
        public init(type: IntOrString, family: String? = nil) {
            self.type = type
            self.family = family
        }
    }
    @OrEmpty public var fields: [Field]
    public init(fields: [Field] = []) { _fields = OrEmpty(wrappedValue: fields) }
}
