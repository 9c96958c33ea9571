import Shapes

/// `cilium.io/v2 CiliumNetworkPolicy`. Lists of peers are optional, because absent and empty differ: no list does not
/// restrict the peers, and an empty one selects nobody.
public struct CiliumNetworkPolicy: KubeObject {
    public static let kind = ObjectKind.ciliumNetworkPolicies
    public static let apiVersion = "cilium.io/v2"
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: CiliumNetworkPolicy]> {
        \.ciliumNetworkPolicies
    }

    public var metadata = ObjectMeta()
    public var spec: CiliumRule?
    public var specs: [CiliumRule] = []

    public init() {}
    public init(metadata: ObjectMeta, spec: CiliumRule? = nil, specs: [CiliumRule] = []) {
        self.metadata = metadata
        self.spec = spec
        self.specs = specs
    }

    public static var about: StructDescription {
        StructDescription(
            "CiliumNetworkPolicy", "What may come to endpoints and go from them.", oneOf: ["spec", "specs"])
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        try visitor.field("spec", &spec, "A rule.")
        try visitor.field("specs", &specs, as: .list(CiliumRule.shape, atLeast: 1), "Rules.")
    }

    /// `spec`, then `specs`.
    public var rules: [CiliumRule] { (spec.map { [$0] } ?? []) + specs }
}

/// `api.Rule`: whom it protects, and what may come and go. A rule with an ingress list, also an empty rule in it, makes
/// the endpoint deny other ingress; egress likewise.
public struct CiliumRule: FieldStruct {
    public var description: String?
    public var endpointSelector: LabelSelector?
    public var ingress: [CiliumIngressRule]?
    public var ingressDeny: [CiliumIngressRule]?
    public var egress: [CiliumEgressRule]?
    public var egressDeny: [CiliumEgressRule]?
    public var enableDefaultDeny: DefaultDeny?
    public var nodeSelector: Unread?

    public init() {}
    public init(endpointSelector: LabelSelector? = nil) { self.endpointSelector = endpointSelector }

    public static var about: StructDescription {
        StructDescription(
            "CiliumNetworkPolicy rule", "Whom it protects, and what is allowed or denied.",
            refusal: "policies protect pods only")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("description", &description, "Text.")
        try visitor.field("endpointSelector", &endpointSelector, isNeeded: true, "Pods of its namespace.")
        try visitor.field("ingress", &ingress, "What may come.")
        try visitor.field("ingressDeny", &ingressDeny, "What may not come, whatever is allowed.")
        try visitor.field("egress", &egress, "What may go.")
        try visitor.field("egressDeny", &egressDeny, "What may not go, whatever is allowed.")
        try visitor.field(
            "enableDefaultDeny", &enableDefaultDeny, "Whether it isolates; each direction that it has rules for.")
        try visitor.refused("nodeSelector", &nodeSelector)
        visitor.accepted(["labels"])
        visitor.refused(["log"])
    }

    public struct DefaultDeny: FieldStruct {
        public var ingress: Bool?
        public var egress: Bool?

        public init() {}
        public init(ingress: Bool? = nil, egress: Bool? = nil) {
            self.ingress = ingress
            self.egress = egress
        }

        public static var about: StructDescription {
            StructDescription("default deny", "Whether the rule isolates.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("ingress", &ingress, "Whether it isolates.")
            try visitor.field("egress", &egress, "Whether it isolates.")
        }
    }
}

public struct CiliumIngressRule: FieldStruct {
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

    public static var about: StructDescription {
        StructDescription(
            "CiliumNetworkPolicy ingress rule", "All that is given must hold.",
            refusal: "the datapath's policies do not have it")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("fromEndpoints", &fromEndpoints, "Pods.")
        try visitor.field("fromCIDR", &fromCIDR, as: .list(.text(.cidr)), "Networks.")
        try visitor.field("fromCIDRSet", &fromCIDRSet, "Networks with exceptions.")
        try visitor.field("fromEntities", &fromEntities, "Entities.")
        try visitor.field("toPorts", &toPorts, "Ports, and what their requests must be.")
        try visitor.field("icmps", &icmps, "ICMP types.")
        try visitor.refused("fromRequires", &fromRequires)
        try visitor.refused("fromNodes", &fromNodes)
        try visitor.refused("fromGroups", &fromGroups)
        try visitor.refused("authentication", &authentication)
    }
}

public struct CiliumEgressRule: FieldStruct {
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

    public static var about: StructDescription {
        StructDescription(
            "CiliumNetworkPolicy egress rule", "All that is given must hold.",
            refusal: "the datapath's policies do not have it")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("toEndpoints", &toEndpoints, "Pods.")
        try visitor.field("toCIDR", &toCIDR, as: .list(.text(.cidr)), "Networks.")
        try visitor.field("toCIDRSet", &toCIDRSet, "Networks with exceptions.")
        try visitor.field("toEntities", &toEntities, "Entities.")
        try visitor.field("toFQDNs", &toFQDNs, "Names, as the pods' DNS answers them.")
        try visitor.field("toServices", &toServices, "Services.")
        try visitor.field("toPorts", &toPorts, "Ports, and what their requests must be.")
        try visitor.field("icmps", &icmps, "ICMP types.")
        try visitor.refused("toRequires", &toRequires)
        try visitor.refused("toNodes", &toNodes)
        try visitor.refused("toGroups", &toGroups)
        try visitor.refused("authentication", &authentication)
    }
}

public struct CiliumCIDR: FieldStruct {
    /// Nil in an entry that names its ranges otherwise.
    public var cidr: String?
    public var except: [String] = []
    public var cidrGroupRef: Unread?
    public var cidrGroupSelector: Unread?

    public init() {}
    public init(cidr: String?, except: [String] = []) {
        self.cidr = cidr
        self.except = except
    }

    public static var about: StructDescription {
        StructDescription("CIDR with exceptions", "A network.", refusal: "there are no CIDR groups")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("cidr", &cidr, as: .text(.cidr), isNeeded: true, "Network.")
        try visitor.field("except", &except, as: .list(.text(.cidr)), "Parts that are not meant.")
        try visitor.refused("cidrGroupRef", &cidrGroupRef)
        try visitor.refused("cidrGroupSelector", &cidrGroupSelector)
    }
}

/// `api.Entity`.
public enum CiliumEntity: String, FieldWord {
    case all, world, cluster, host, health, unmanaged, none
    case initial = "init"
    case ingress
    case remoteNode = "remote-node"
    case kubeAPIServer = "kube-apiserver"
    case worldIPv4 = "world-ipv4"
    case worldIPv6 = "world-ipv6"
}

/// `api.PortRule`: ports, and what the requests to them must be.
public struct CiliumPortRule: FieldStruct {
    public var ports: [CiliumPort] = []
    public var rules: CiliumL7Rules?
    public var listener: Unread?
    public var terminatingTLS: Unread?
    public var originatingTLS: Unread?
    public var serverNames: Unread?

    public init() {}
    public init(ports: [CiliumPort] = [], rules: CiliumL7Rules? = nil) {
        self.ports = ports
        self.rules = rules
    }

    public static var about: StructDescription {
        StructDescription(
            "port rule", "Ports, and what their requests must be.", refusal: "the node's proxy does not have it")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("ports", &ports, "Ports.")
        try visitor.field("rules", &rules, "What requests must be.")
        try visitor.refused("listener", &listener)
        try visitor.refused("terminatingTLS", &terminatingTLS)
        try visitor.refused("originatingTLS", &originatingTLS)
        try visitor.refused("serverNames", &serverNames)
    }
}

public struct CiliumPort: FieldStruct {
    /// A number written as text, or a pod's port name. 0 stands for all ports.
    public var port = IntOrString.integer(0)
    /// The last port of a range that begins with `port`.
    public var endPort: UInt16?
    public var `protocol` = TransportProtocol.any

    public init() {}
    public init(port: IntOrString, endPort: UInt16? = nil, protocol: TransportProtocol = .any) {
        self.port = port
        self.endPort = endPort
        self.protocol = `protocol`
    }

    public static var about: StructDescription { StructDescription("Cilium port", "A port or a range.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("port", &port, isNeeded: true, "Number as text, or a pod's port name.")
        try visitor.field("endPort", &endPort, "Last port of the range.")
        try visitor.field("protocol", &`protocol`, as: .choice(["TCP", "UDP", "ANY"]), "ANY.")
    }
}

public struct CiliumL7Rules: FieldStruct {
    public var http: [CiliumHTTPRule]?
    public var dns: [CiliumFQDN]?
    public var kafka: Unread?
    public var l7proto: Unread?
    public var l7: Unread?

    public init() {}
    public init(http: [CiliumHTTPRule]? = nil, dns: [CiliumFQDN]? = nil) {
        self.http = http
        self.dns = dns
    }

    public static var about: StructDescription {
        StructDescription(
            "L7 rules", "What requests must be.", refusal: "the node's proxy reads HTTP and DNS only")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("http", &http, "HTTP requests.")
        try visitor.field("dns", &dns, "DNS questions.")
        try visitor.refused("kafka", &kafka)
        try visitor.refused("l7proto", &l7proto)
        try visitor.refused("l7", &l7)
    }
}

/// `api.PortRuleHTTP`: all that is given must match. `path`, `method` and `host` are extended POSIX regular expressions
/// over the whole text.
public struct CiliumHTTPRule: FieldStruct {
    public var path: String?
    public var method: String?
    public var host: String?
    /// `Name: value`, or `Name` alone when the header must only be there.
    public var headers: [String] = []
    public var headerMatches: [CiliumHeaderMatch]?

    public init() {}
    public init(path: String? = nil, method: String? = nil, host: String? = nil, headers: [String] = []) {
        self.path = path
        self.method = method
        self.host = host
        self.headers = headers
    }

    public static var about: StructDescription { StructDescription("HTTP rule", "All that is given must match.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("method", &method, as: .text(.nonEmpty), "Regular expression of the method.")
        try visitor.field("path", &path, as: .text(.nonEmpty), "Regular expression of the path.")
        try visitor.field("host", &host, as: .text(.nonEmpty), "Regular expression of the host.")
        try visitor.field(
            "headers", &headers, as: .list(.text(.nonEmpty)), "Name: value, or a name that must be there.")
        try visitor.field("headerMatches", &headerMatches, "Headers, name and value apart.")
    }
}

/// `api.HeaderMatch`: a header that must be there, with this value if one is given.
public struct CiliumHeaderMatch: FieldStruct {
    /// What happens to a request that does not match. It is refused (`FAIL`) when this is left out.
    public var mismatch: String?
    public var name = ""
    public var secret: Unread?
    public var value: String?

    public init() {}
    public init(name: String, value: String? = nil, mismatch: String? = nil) {
        self.name = name
        self.value = value
        self.mismatch = mismatch
    }

    public static var about: StructDescription {
        StructDescription(
            "header match", "A header that must be there.", refusal: "there are no secrets: write the value out")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("name", &name, as: .text(.nonEmpty), "Name.")
        try visitor.field("value", &value, as: .text(.nonEmpty), "Its value; any when left out.")
        try visitor.field(
            "mismatch", &mismatch, as: .choice(["FAIL"]), "What happens to other requests: they are refused.")
        try visitor.refused("secret", &secret)
    }
}

/// `api.FQDNSelector`: a name, or a pattern in which `*` stands for any characters of a label.
public struct CiliumFQDN: FieldStruct {
    public var matchName: String?
    public var matchPattern: String?

    public init() {}
    public init(matchName: String? = nil, matchPattern: String? = nil) {
        self.matchName = matchName
        self.matchPattern = matchPattern
    }

    public static var about: StructDescription {
        StructDescription("DNS name", "A name or a pattern.", oneOf: ["matchName", "matchPattern"])
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("matchName", &matchName, as: .text(.nonEmpty), "Name.")
        try visitor.field(
            "matchPattern", &matchPattern, as: .text(.nonEmpty),
            "Name in which * stands for any characters of a label.")
    }
}

/// `api.Service`: one by its name, or several by their labels.
public struct CiliumServiceReference: FieldStruct {
    public var k8sService: Named?
    public var k8sServiceSelector: Selected?

    public init() {}

    public static var about: StructDescription {
        StructDescription("service reference", "A service.", oneOf: ["k8sService", "k8sServiceSelector"])
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("k8sService", &k8sService, "By its name.")
        try visitor.field("k8sServiceSelector", &k8sServiceSelector, "By their labels.")
    }

    public struct Named: FieldStruct {
        public var serviceName: String?
        public var namespace: String?

        public init() {}

        public static var about: StructDescription { StructDescription("named service", "By its name.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("serviceName", &serviceName, as: .text(.dnsLabel), "Name.")
            try visitor.field("namespace", &namespace, as: .text(.dnsLabel), "Name.")
        }
    }

    public struct Selected: FieldStruct {
        public var selector: LabelSelector?
        public var namespace: String?

        public init() {}

        public static var about: StructDescription { StructDescription("selected services", "By their labels.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.field("selector", &selector, isNeeded: true, "Labels.")
            try visitor.field("namespace", &namespace, as: .text(.dnsLabel), "Namespace.")
        }
    }
}

public struct CiliumICMPRule: FieldStruct {
    public var fields: [Field] = []

    public init() {}
    public init(fields: [Field] = []) { self.fields = fields }

    public static var about: StructDescription { StructDescription("ICMP rule", "ICMP types.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("fields", &fields, as: .list(Field.shape, atLeast: 1), isNeeded: true, "Types.")
    }

    public struct Field: FieldStruct {
        /// `IPv4` (when left out) or `IPv6`.
        public var family: String?
        /// The ICMP type as a number, or a name such as `EchoRequest`.
        public var type = IntOrString.integer(0)

        public init() {}
        public init(type: IntOrString, family: String? = nil) {
            self.type = type
            self.family = family
        }

        public static var about: StructDescription { StructDescription("ICMP type", "A type.") }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("type", &type, "Number, or a name such as EchoRequest.")
            try visitor.field("family", &family, as: .choice(["IPv4"]), "IPv4.")
        }
    }
}
