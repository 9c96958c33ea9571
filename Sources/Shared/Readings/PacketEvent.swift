/// A packet as a node's datapath saw it: a trace, or a drop with its reason.
///
/// The same type is used from the agent's socket to the diagnosis. Its JSON is flat, with the keys that `datapathd` has
/// always written: `point` for the hook; `dropReason`, `dropCode` and `location` for a drop; and the flow's fields.
public struct PacketEvent: Sendable, Hashable {
    /// The name of the node. An agent leaves it empty, and the reader of the agent's reply sets it, because an agent is
    /// not trusted to say which node it is on.
    public var node: String
    /// The position in the agent's event stream. The first event has number 1.
    public var sequence: UInt64
    /// CLOCK_MONOTONIC of the node in nanoseconds.
    public var nanoseconds: UInt64
    /// The hook at which the reporting program was entered.
    public var hook: PacketHook
    /// The packet's direction, seen from the endpoint whose program reports; nil if no endpoint takes part.
    public var direction: PacketDirection?
    /// Nil for a trace.
    public var drop: PacketDrop?
    /// The flow of the inner packet if the packet is encapsulated.
    public var flow: FlowTuple
    /// The sequence number of an ICMP echo; otherwise 0.
    public var icmpSequence: UInt16
    /// Security identities; 0 where one is not known.
    public var sourceIdentity: UInt32
    public var destinationIdentity: UInt32
    /// The endpoint's number on its node; 0 if none of its endpoints takes part.
    public var endpointID: UInt16
    /// The name of the interface whose program reports.
    public var interface: String
    /// The dotted underlay address that the packet was encapsulated to, or came from.
    public var tunnelPeer: String?
    /// In bytes, with the Ethernet header.
    public var length: Int
    /// The policy rule that decided, `NetworkPolicy default/web ingress[0]`. If no rule did, the policies that isolate
    /// the endpoint.
    public var rule: String?
    /// The names for which DNS answered with the destination's address, as far as the node's DNS proxy saw. It is nil
    /// if there are none.
    public var destinationNames: [String]?

    public init(
        node: String = "", sequence: UInt64 = 0, nanoseconds: UInt64 = 0, hook: PacketHook,
        direction: PacketDirection? = nil, drop: PacketDrop? = nil, flow: FlowTuple, icmpSequence: UInt16 = 0,
        sourceIdentity: UInt32 = 0, destinationIdentity: UInt32 = 0, endpointID: UInt16 = 0, interface: String = "",
        tunnelPeer: String? = nil, length: Int = 0, rule: String? = nil, destinationNames: [String]? = nil
    ) {
        self.node = node
        self.sequence = sequence
        self.nanoseconds = nanoseconds
        self.hook = hook
        self.direction = direction
        self.drop = drop
        self.flow = flow
        self.icmpSequence = icmpSequence
        self.sourceIdentity = sourceIdentity
        self.destinationIdentity = destinationIdentity
        self.endpointID = endpointID
        self.interface = interface
        self.tunnelPeer = tunnelPeer
        self.length = length
        self.rule = rule
        self.destinationNames = destinationNames
    }

    public var isDrop: Bool { drop != nil }

    /// Returns the same event with the name of the node whose agent reported it.
    public func told(by node: String) -> PacketEvent {
        var event = self
        event.node = node
        return event
    }
}

/// Why and where a packet was dropped.
public struct PacketDrop: Sendable, Hashable {
    public var reason: DropReason
    /// The reason's number in the datapath's ABI, which is negative; nil if the agent gives none.
    public var code: Int?
    /// The source file and line that decided, `lxc.bpf.c:123`; nil if the agent gives none.
    public var location: String?

    public init(_ reason: DropReason, code: Int? = nil, location: String? = nil) {
        self.reason = reason
        self.code = code
        self.location = location
    }
}

/// The place in a node's datapath at which a packet was seen. An agent of another build may use values that are not
/// listed here.
public struct PacketHook: RawRepresentable, Codable, Sendable, Hashable, CustomStringConvertible {
    /// The name that agents write: `from-endpoint`.
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let fromEndpoint = PacketHook(rawValue: "from-endpoint")
    public static let toEndpoint = PacketHook(rawValue: "to-endpoint")
    public static let fromOverlay = PacketHook(rawValue: "from-overlay")
    public static let toOverlay = PacketHook(rawValue: "to-overlay")
    public static let fromNetwork = PacketHook(rawValue: "from-network")
    public static let toNetwork = PacketHook(rawValue: "to-network")
    public static let fromHost = PacketHook(rawValue: "from-host")
    public static let toHost = PacketHook(rawValue: "to-host")
    public static let toStack = PacketHook(rawValue: "to-stack")
    public static let toProxy = PacketHook(rawValue: "to-proxy")
    /// A policy allowed a new connection.
    public static let policyVerdict = PacketHook(rawValue: "policy-verdict")
    /// The datapath used a number that its agent does not know.
    public static let unknown = PacketHook(rawValue: "unknown")

    public var description: String { rawValue }
}

/// The reason why a packet was dropped. An agent of another build may use values that are not listed here.
public struct DropReason: RawRepresentable, Codable, Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The name that agents write: `no-tunnel-endpoint`.
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let policyDeniedIngress = DropReason(rawValue: "policy-denied-ingress")
    public static let policyDeniedEgress = DropReason(rawValue: "policy-denied-egress")
    public static let policyDenyRule = DropReason(rawValue: "policy-deny-rule")
    /// An HTTP request that the node's proxy refused.
    public static let policyDeniedRequest = DropReason(rawValue: "policy-denied-request")
    /// A DNS query that the node's proxy refused.
    public static let policyDeniedName = DropReason(rawValue: "policy-denied-name")

    public var description: String { rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A packet's direction, seen from an endpoint. Ingress is towards it.
public enum PacketDirection: String, Codable, Sendable, Hashable, CaseIterable {
    case ingress, egress
}
