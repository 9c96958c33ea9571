import NetAddress

/// An identity, with what the compiler needs to know of it.
public struct PeerIdentity: Sendable, Hashable {
    public let number: UInt32
    public let labels: SecurityLabels
    /// The addresses outside of the cluster that the identity stands for, if any. A more specific range has an identity
    /// of its own.
    public let range: IPv4CIDR?
    /// The named ports of all pods that have the identity.
    public let ports: [NamedPort]
    /// The names that DNS answered with the address, if the identity stands for one address outside of the cluster.
    public let names: Set<String>

    public init(
        number: UInt32, labels: [String], range: IPv4CIDR? = nil, ports: [NamedPort] = [], names: Set<String> = []
    ) {
        self.number = number
        self.labels = SecurityLabels(labels)
        self.range = range
        self.ports = ports
        self.names = names
    }
}

public struct NamedPort: Sendable, Hashable {
    public let name: String
    public let `protocol`: PortProtocol
    public let number: UInt16
    public init(name: String, protocol: PortProtocol, number: UInt16) {
        self.name = name
        self.protocol = `protocol`
        self.number = number
    }
}

/// The decision about one peer and range of ports of an endpoint.
public struct PolicyDecision: Sendable, Hashable {
    public enum Verdict: Int, Sendable, Hashable, Comparable {
        case defaultDeny, redirect, allow, deny
        public static func < (left: Verdict, right: Verdict) -> Bool { left.rawValue < right.rawValue }
    }

    public let verdict: Verdict
    /// The name of the rule or, for a default, the policies that isolate the endpoint.
    public let rule: String
    /// For a redirect, the proxy that reads the requests.
    public let reader: RequestReader

    public init(_ verdict: Verdict, rule: String, reader: RequestReader = .http) {
        self.verdict = verdict
        self.rule = rule
        self.reader = reader
    }

    /// Denial wins over everything, plain permission over one that needs a proxy. Among equals the first rule stays.
    func joined(with other: PolicyDecision) -> PolicyDecision { other.verdict > verdict ? other : self }
}

/// The decisions of one endpoint and direction. Specific entries do not repeat what the others say: a lookup considers
/// every entry that covers a connection, and the strongest verdict holds.
public struct DirectionPolicy: Sendable, Hashable {
    public struct Match: Sendable, Hashable {
        /// The peer's identity, or 0 for any peer.
        public let identity: UInt32
        /// The ports, or nil for every protocol and port.
        public let ports: PortRange?
        public init(identity: UInt32, ports: PortRange?) {
            self.identity = identity
            self.ports = ports
        }
    }

    public private(set) var decisions: [Match: PolicyDecision] = [:]

    public init() {}

    mutating func add(_ match: Match, _ decision: PolicyDecision) {
        decisions[match] = decisions[match].map { $0.joined(with: decision) } ?? decision
    }

    /// Returns what the datapath decides. It is the reference that tests compare the datapath with.
    public func decision(identity: UInt32, port: UInt16, of transport: PortProtocol?) -> PolicyDecision? {
        var found: PolicyDecision?
        for (match, decision) in decisions.sorted(by: Self.moreSpecific) {
            guard match.identity == 0 || match.identity == identity else { continue }
            if let ports = match.ports, ports.protocol != transport || !ports.ports.contains(port) { continue }
            found = found.map { $0.joined(with: decision) } ?? decision
        }
        return found
    }

    private static func moreSpecific(
        _ left: (key: Match, value: PolicyDecision), _ right: (key: Match, value: PolicyDecision)
    ) -> Bool {
        func rank(_ match: Match) -> Int { (match.ports == nil ? 2 : 0) + (match.identity == 0 ? 1 : 0) }
        return (rank(left.key), left.value.rule) < (rank(right.key), right.value.rule)
    }

    /// Says whether everything that the other policy allows is allowed here, so that connections which it let pass may
    /// stay.
    public func permits(everythingOf other: DirectionPolicy) -> Bool {
        for (match, decision) in decisions where decision.verdict != .allow {
            if other.decisions[match]?.verdict != decision.verdict { return false }
        }
        return other.decisions.allSatisfy { $0.value.verdict != .allow || decisions[$0.key]?.verdict == .allow }
    }
}

/// What a policy says about an endpoint in each direction. Nil means that it says nothing and everything is allowed.
public struct EndpointPolicy: Sendable, Hashable {
    public var ingress: DirectionPolicy?
    public var egress: DirectionPolicy?

    public init(ingress: DirectionPolicy? = nil, egress: DirectionPolicy? = nil) {
        self.ingress = ingress
        self.egress = egress
    }

    public subscript(direction: PolicyDirection) -> DirectionPolicy? {
        get { direction == .ingress ? ingress : egress }
        set { if direction == .ingress { ingress = newValue } else { egress = newValue } }
    }
}

/// Compiles rules and identities into the content of an endpoint's policy map. It is pure.
public struct PolicyCompiler: Sendable {
    public let units: [PolicyUnit]
    public let identities: [PeerIdentity]
    /// The identity of the node itself, which always reaches its own pods (for kubelet's probes).
    public let node: UInt32
    private var peers: [Peer: [PeerIdentity]] = [:]

    public static let nodeRule = "the pod's own node always reaches it"

    public init(units: [PolicyUnit], identities: [PeerIdentity], node: UInt32) {
        self.units = units
        self.identities = identities
        self.node = node
    }

    /// Returns the ranges that rules name. Each of them must have an identity of its own.
    public static func ranges(in units: [PolicyUnit]) -> Set<IPv4CIDR> {
        var ranges: Set<IPv4CIDR> = []
        for unit in units {
            for rule in unit.rules {
                for case .range(let range, let except) in rule.peers { ranges.formUnion([range] + except) }
            }
        }
        return ranges
    }

    /// - Parameters:
    ///   - labels: The endpoint's labels.
    ///   - ports: The endpoint's own named ports.
    public mutating func compile(labels: [String], ports: [NamedPort] = []) -> EndpointPolicy {
        let labels = SecurityLabels(labels)
        let selecting = units.filter { $0.subject.selects(labels) }
        var policy = EndpointPolicy()
        for direction in PolicyDirection.allCases {
            policy[direction] = compile(selecting, direction, ports)
        }
        return policy
    }

    /// Returns the names that rules let pods go to.
    public static func names(in units: [PolicyUnit]) -> Set<NamePattern> {
        var names: Set<NamePattern> = []
        for unit in units {
            for rule in unit.rules {
                for case .name(let pattern) in rule.peers { names.insert(pattern) }
            }
        }
        return names
    }

    /// Returns what requests to an endpoint (ingress), or from it (egress), must be on the ports where rules look at
    /// requests. Returns nil if no policy concerns the direction.
    ///
    /// - Parameters:
    ///   - policy: The same endpoint's policy, from `compile`.
    public mutating func requests(
        labels: [String], ports: [NamedPort] = [], _ policy: EndpointPolicy, _ direction: PolicyDirection = .ingress
    ) -> RequestPolicy? {
        guard let directed = policy[direction] else { return nil }
        let labels = SecurityLabels(labels)
        var rules: [RequestRule] = []
        for unit in units where unit.subject.selects(labels) {
            for rule in unit.rules where rule.direction == direction {
                guard let matches = rule.requests?.read else { continue }
                rules += requestRules(rule, ports, matches)
            }
        }
        return RequestPolicy(directed, rules: rules)
    }

    /// Returns one rule, or a rule for each identity if a named port means a different number for each.
    private mutating func requestRules(
        _ rule: PolicyRule, _ own: [NamedPort], _ matches: RequestRule.Matches
    ) -> [RequestRule] {
        let ports = rule.ports ?? []
        var peers: [PeerIdentity]? = []
        for peer in rule.peers {
            if case .everybody = peer { peers = nil } else { peers?.append(contentsOf: identities(of: peer)) }
        }
        func made(_ identities: Set<UInt32>?, _ named: [NamedPort]) -> RequestRule {
            RequestRule(
                name: rule.name, identities: identities, ports: Set(ports.flatMap { Self.ranges($0, named) }),
                matches: matches)
        }
        let areNamed = ports.contains { if case .named = $0 { true } else { false } }
        guard rule.direction == .egress, areNamed else {
            return [made(peers.map { Set($0.map(\.number)) }, rule.direction == .ingress ? own : [])]
        }
        return (peers ?? identities).map { made([$0.number], $0.ports) }
            // Ports given by number are the same for every peer.
            + (peers == nil ? [made(nil, [])] : [])
    }

    private mutating func compile(
        _ units: [PolicyUnit], _ direction: PolicyDirection, _ own: [NamedPort]
    ) -> DirectionPolicy? {
        let isolating = units.filter { $0.isolates.contains(direction) }
        let rules = units.flatMap(\.rules).filter { $0.direction == direction }
        guard !isolating.isEmpty || !rules.isEmpty else { return nil }
        var policy = DirectionPolicy()
        for rule in rules { add(rule, own, to: &policy) }
        if direction == .ingress {
            policy.add(
                DirectionPolicy.Match(identity: node, ports: nil), PolicyDecision(.allow, rule: Self.nodeRule))
        }
        let everything = DirectionPolicy.Match(identity: 0, ports: nil)
        if isolating.isEmpty {
            policy.add(everything, PolicyDecision(.allow, rule: "no policy isolates the endpoint"))
        } else {
            let names = Set(isolating.map(\.policy)).sorted().joined(separator: ", ")
            policy.add(everything, PolicyDecision(.defaultDeny, rule: names))
        }
        return policy
    }

    private mutating func add(_ rule: PolicyRule, _ own: [NamedPort], to policy: inout DirectionPolicy) {
        let verdict: PolicyDecision.Verdict = rule.isDeny ? .deny : rule.requests == nil ? .allow : .redirect
        for peer in rule.peers {
            var name = rule.name
            // The event of a connection then tells why the address was let through.
            if case .name(let pattern) = peer { name += " (toFQDNs \(pattern))" }
            let decision = PolicyDecision(verdict, rule: name, reader: rule.requests?.reader ?? .http)
            if case .everybody = peer {
                if let ports = rule.ports {
                    // A named port of unknown peers means the port of every identity that has one of that name.
                    for port in ports { addEverybody(port, rule.direction, own, decision, to: &policy) }
                } else {
                    policy.add(DirectionPolicy.Match(identity: 0, ports: nil), decision)
                }
                continue
            }
            for identity in identities(of: peer) {
                guard let ports = rule.ports else {
                    policy.add(DirectionPolicy.Match(identity: identity.number, ports: nil), decision)
                    continue
                }
                let named = rule.direction == .ingress ? own : identity.ports
                for range in Set(ports.flatMap { Self.ranges($0, named) }) {
                    policy.add(DirectionPolicy.Match(identity: identity.number, ports: range), decision)
                }
            }
        }
    }

    private func addEverybody(
        _ port: RulePort, _ direction: PolicyDirection, _ own: [NamedPort], _ decision: PolicyDecision,
        to policy: inout DirectionPolicy
    ) {
        if case .named = port, direction == .egress {
            for identity in identities {
                for range in Self.ranges(port, identity.ports) {
                    policy.add(DirectionPolicy.Match(identity: identity.number, ports: range), decision)
                }
            }
            return
        }
        for range in Self.ranges(port, own) {
            policy.add(DirectionPolicy.Match(identity: 0, ports: range), decision)
        }
    }

    /// Returns the ranges of a port. A name that no port has stands for no port at all.
    private static func ranges(_ port: RulePort, _ named: [NamedPort]) -> [PortRange] {
        switch port {
        case .range(let range): [range]
        case .named(let transport, let name):
            named.filter { $0.name == name && (transport == nil || transport == $0.protocol) }
                .map { PortRange($0.protocol, $0.number...$0.number) }
        }
    }

    /// Returns the identities of a peer, which are looked up once.
    private mutating func identities(of peer: Peer) -> [PeerIdentity] {
        if let known = peers[peer] { return known }
        let found = identities.filter { Self.covers(peer, $0) }
        peers[peer] = found
        return found
    }

    private static func covers(_ peer: Peer, _ identity: PeerIdentity) -> Bool {
        switch peer {
        case .everybody: return true
        case .cluster: return !identity.labels.contains(reserved: "world")
        case .selected(let selector): return selector.selects(identity.labels)
        case .range(let range, let except):
            guard let own = identity.range else { return false }
            return range.contains(own) && !except.contains { $0.contains(own) }
        case .name(let pattern): return identity.names.contains { pattern.matches($0) }
        }
    }
}

extension RequestMatches {
    /// The rule's matches with their patterns parsed. They can be parsed, since the rule was made from patterns that
    /// were.
    fileprivate var read: RequestRule.Matches? {
        switch self {
        case .http(let matches): (try? matches.map { try RequestMatch($0) }).map(RequestRule.Matches.http)
        case .dns(let names): .dns(names)
        }
    }
}
