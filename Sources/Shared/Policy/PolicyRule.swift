import KubeObjects
import NetAddress

/// The direction, seen from the endpoint that a policy selects.
public enum PolicyDirection: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case ingress = 1
    case egress = 2
    public var description: String { self == .ingress ? "ingress" : "egress" }
}

/// A protocol with ports. For ICMP, the type takes the port's place. The raw values are the slots in the datapath's
/// table of ports.
public enum PortProtocol: UInt8, Sendable, Hashable, CaseIterable {
    case tcp, udp, sctp, icmp
}

/// Ports of one protocol.
public struct PortRange: Sendable, Hashable, Comparable {
    public let `protocol`: PortProtocol
    public let ports: ClosedRange<UInt16>
    public init(_ protocol: PortProtocol, _ ports: ClosedRange<UInt16>) {
        self.protocol = `protocol`
        self.ports = ports
    }
    public static func < (left: PortRange, right: PortRange) -> Bool {
        (left.protocol.rawValue, left.ports.lowerBound, left.ports.upperBound)
            < (right.protocol.rawValue, right.ports.lowerBound, right.ports.upperBound)
    }
}

/// A rule's ports as written.
public enum RulePort: Sendable, Hashable {
    case range(PortRange)
    /// A pod's port by its name; without a protocol, of any protocol.
    case named(PortProtocol?, String)
}

/// A rule's other side.
public enum Peer: Sendable, Hashable {
    case everybody
    /// Everybody except the world.
    case cluster
    case selected(Selector)
    /// Addresses outside of the cluster.
    case range(IPv4CIDR, except: [IPv4CIDR])
    /// Addresses outside of the cluster that DNS answers the pods for the name.
    case name(NamePattern)
}

/// What requests must be, by the protocol as which they are read.
public enum RequestMatches: Sendable, Hashable {
    case http([HTTPMatch])
    /// The DNS names that may be asked for.
    case dns([NamePattern])

    public var reader: RequestReader {
        switch self {
        case .http: .http
        case .dns: .dns
        }
    }
}

/// The proxy that reads a connection's requests.
public enum RequestReader: UInt8, Sendable, Hashable, CaseIterable {
    case http, dns
}

/// One rule, from whichever kind of policy.
public struct PolicyRule: Sendable, Hashable {
    /// `CiliumNetworkPolicy default/web ingress[0]`
    public let name: String
    public let direction: PolicyDirection
    public let isDeny: Bool
    /// The peers; an empty list means nobody.
    public let peers: [Peer]
    /// The ports, or nil for every protocol and port.
    public let ports: [RulePort]?
    /// What a request must be, or nil if the rule does not look at requests.
    public let requests: RequestMatches?

    public init(
        name: String, direction: PolicyDirection, isDeny: Bool = false, peers: [Peer], ports: [RulePort]?,
        requests: RequestMatches? = nil
    ) {
        self.name = name
        self.direction = direction
        self.isDeny = isDeny
        self.peers = peers
        self.ports = ports
        self.requests = requests
    }
}

/// An object whose rules say what may come to pods and go from them.
public protocol PolicyObject: KubeObject {
    /// Reads the rules, and finds everything in the object that cannot be enforced as it is written.
    func read() -> PolicyReading
}

extension PolicyObject {
    /// Reads the rules.
    ///
    /// - Throws: The first refusal if any part of the object cannot be enforced as it is written.
    public func units() throws(PolicyRefusal) -> [PolicyUnit] {
        let reading = read()
        if let refusal = reading.refusals.first { throw refusal }
        return reading.units
    }
}

/// What a policy says.
public struct PolicyReading: Sendable {
    /// The rules. If anything is refused, they are those that could be read, and must not be enforced.
    public let units: [PolicyUnit]
    /// What cannot be enforced, in the order of the object's fields.
    public let refusals: [PolicyRefusal]
}

/// The rules for the endpoints of one selector.
public struct PolicyUnit: Sendable, Hashable {
    /// `NetworkPolicy default/web`
    public let policy: String
    public let subject: Selector
    /// The directions in which everything is denied that no rule allows.
    public let isolates: Set<PolicyDirection>
    public let rules: [PolicyRule]

    /// Says whether a proxy has to read connections.
    public var readsRequests: Bool { rules.contains { $0.requests != nil } }

    public init(policy: String, subject: Selector, isolates: Set<PolicyDirection>, rules: [PolicyRule]) {
        self.policy = policy
        self.subject = subject
        self.isolates = isolates
        self.rules = rules
    }
}

/// What an HTTP request must be. Fields that are nil or empty allow anything.
public struct HTTPMatch: Sendable, Hashable, Codable {
    /// The method and the fields after it are extended regular expressions that must match the whole text.
    public var method: String?
    public var path: String?
    public var host: String?
    /// Each is `Name: value`, or a name that must be present.
    public var headers: [String]
    /// The same, with name and value separate.
    public var headerMatches: [Header]

    public struct Header: Sendable, Hashable, Codable {
        public var name: String
        /// The value, or nil for any.
        public var value: String?
        public init(name: String, value: String? = nil) {
            self.name = name
            self.value = value
        }
    }

    public init(
        method: String? = nil, path: String? = nil, host: String? = nil, headers: [String] = [],
        headerMatches: [Header] = []
    ) {
        self.method = method
        self.path = path
        self.host = host
        self.headers = headers
        self.headerMatches = headerMatches
    }
}
