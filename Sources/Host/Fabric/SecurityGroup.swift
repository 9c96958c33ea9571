public import NetAddress

/// A security group: what may reach, and be reached from, the interfaces that carry it.
///
/// As in AWS, groups only allow, and a new group allows all egress: one that is declared without an egress rule gets
/// `SecurityGroupRule.allowAllEgress`. What no rule of any of an interface's groups allows is denied and logged.
public struct SecurityGroup: Codable, Sendable, Hashable {
    /// The group's name: at most 40 letters, digits, `-`, `_` and `.`.
    public var name: String
    public var rules: [SecurityGroupRule]

    public init(name: String, rules: [SecurityGroupRule]) {
        self.name = name
        self.rules = rules
    }

    /// The group as declared, with the egress rule that every new group has unless it brings its own.
    public var withDefaultEgress: SecurityGroup {
        guard !rules.contains(where: { $0.direction == .egress }) else { return self }
        return SecurityGroup(name: name, rules: rules + [.allowAllEgress])
    }
}

/// One permission of a security group.
public struct SecurityGroupRule: Codable, Sendable, Hashable {
    public enum Direction: String, Codable, Sendable, Hashable, CaseIterable { case ingress, egress }
    public enum TransportProtocol: String, Codable, Sendable, Hashable, CaseIterable { case tcp, udp, icmp, all }

    /// The other side of a permitted flow: its source for ingress, its destination for egress.
    public enum Peer: Codable, Sendable, Hashable {
        case any
        case cidr(IPv4CIDR)
        /// The addresses of all interfaces that have this group.
        case group(String)
    }

    /// The rule's name, unique in its group. Faults, counters and reports refer to the rule by it. It has the form of a
    /// group's name.
    public var name: String
    public var direction: Direction
    public var `protocol`: TransportProtocol
    /// The destination ports, for TCP and UDP only; nil means all of them.
    public var ports: ClosedRange<UInt16>?
    public var peer: Peer
    /// The nodes on whose interfaces the rule is in force, among those that have the group.
    public var nodes: NodeSelection

    public init(
        name: String, direction: Direction = .ingress, protocol: TransportProtocol, ports: ClosedRange<UInt16>? = nil,
        peer: Peer = .any, nodes: NodeSelection = .all
    ) {
        self.name = name
        self.direction = direction
        self.protocol = `protocol`
        self.ports = ports
        self.peer = peer
        self.nodes = nodes
    }

    /// The egress rule of a new AWS security group.
    public static let allowAllEgress = SecurityGroupRule(
        name: "all-egress", direction: .egress, protocol: .all)
}

/// A set of nodes by name: some nodes, or all nodes but some.
public enum NodeSelection: Codable, Sendable, Hashable {
    case all
    case only(Set<String>)
    case except(Set<String>)

    public func contains(_ node: String) -> Bool {
        switch self {
        case .all: true
        case .only(let nodes): nodes.contains(node)
        case .except(let nodes): !nodes.contains(node)
        }
    }

    /// Whether no node can be in the set, whichever nodes exist.
    public var isEmpty: Bool { self == .only([]) }

    public func subtracting(_ other: NodeSelection) -> NodeSelection {
        switch (self, other) {
        case (_, .all): .only([])
        case (.all, .only(let removed)): .normalized(except: removed)
        case (.all, .except(let kept)): .only(kept)
        case (.only(let nodes), _): .only(nodes.filter { !other.contains($0) })
        case (.except(let missing), .only(let removed)): .normalized(except: missing.union(removed))
        case (.except(let missing), .except(let kept)): .only(kept.subtracting(missing))
        }
    }

    public func union(_ other: NodeSelection) -> NodeSelection {
        switch (self, other) {
        case (.all, _), (_, .all): .all
        case (.only(let left), .only(let right)): .only(left.union(right))
        case (.only(let nodes), .except(let missing)), (.except(let missing), .only(let nodes)):
            .normalized(except: missing.subtracting(nodes))
        case (.except(let left), .except(let right)): .normalized(except: left.intersection(right))
        }
    }

    private static func normalized(except nodes: Set<String>) -> NodeSelection {
        nodes.isEmpty ? .all : .except(nodes)
    }
}
