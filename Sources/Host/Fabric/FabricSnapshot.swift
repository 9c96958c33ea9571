/// The fabric's state as read back from the kernel, without what traffic changes. A snapshot from before a fault equals
/// one from after its healing if the fault left nothing behind.
public struct FabricSnapshot: Codable, Sendable, Equatable {
    public struct Rule: Codable, Sendable, Hashable, Comparable {
        /// `bridge` or `ip`
        public var family: String
        public var chain: String
        /// `GROUP/RULE` for a rule of a security group, else the fabric's own name of the rule.
        public var name: String
        /// The match and verdict as nftables' JSON.
        public var expression: String

        public static func < (left: Rule, right: Rule) -> Bool {
            (left.family, left.chain, left.name, left.expression)
                < (right.family, right.chain, right.name, right.expression)
        }
    }

    public struct Interface: Codable, Sendable, Hashable {
        public var name: String
        public var kind: String?
        public var bridge: String?
        public var isUp: Bool
        public var mtu: Int
    }

    /// The rules, sorted: all of them accept, so their order has no meaning.
    public var rules: [Rule]
    /// The elements of each set, sorted, by the set's name.
    public var sets: [String: [String]]
    /// Bridges and taps of the fabric, by name.
    public var interfaces: [Interface]
    /// Routes of the VPC router.
    public var routes: [String] = []
    /// The addresses of interfaces that the VPC router knows.
    public var neighbours: [String] = []

    /// The differences to another snapshot, each as a line for a report; empty when the two are equal.
    public func differences(to other: FabricSnapshot) -> [String] {
        let (mine, theirs) = (Set(rules), Set(other.rules))
        var lines = mine.subtracting(theirs).sorted().map { "rule gone: \($0.chain) \($0.name)" }
        lines += theirs.subtracting(mine).sorted().map { "rule new: \($0.chain) \($0.name)" }
        for name in Set(sets.keys).union(other.sets.keys).sorted() where sets[name] != other.sets[name] {
            lines.append("set \(name): \(sets[name] ?? []) became \(other.sets[name] ?? [])")
        }
        let (before, after) = (Set(interfaces), Set(other.interfaces))
        lines += Set(before.symmetricDifference(after).map(\.name)).sorted().map { "interface \($0) changed" }
        for (what, mine, theirs) in [("route", routes, other.routes), ("neighbour", neighbours, other.neighbours)] {
            lines += Set(mine).subtracting(theirs).sorted().map { "\(what) gone: \($0)" }
            lines += Set(theirs).subtracting(mine).sorted().map { "\(what) new: \($0)" }
        }
        return lines
    }
}

/// A security group rule in force on an interface, read back from the kernel.
public struct RuleState: Codable, Sendable, Hashable {
    public var interfaceID: String
    public var node: String
    public var group: String
    public var rule: String
    public var direction: SecurityGroupRule.Direction
    /// The number of packets that the rule accepted. Of a tracked flow only the first one is counted, of others all.
    public var packets: UInt64
    /// The bytes of these packets, from the IP header on.
    public var bytes: UInt64
}

/// How a rule of a security group stands on an interface, read back from the kernel.
public struct RuleStanding: Sendable, Hashable {
    public enum State: Sendable, Hashable {
        /// No rule of that name is in the interface's chains.
        case absent
        /// The rule is there as it was asked for.
        case inForce
        /// A rule of that name is there with another direction or another match.
        case different
    }

    public let interfaceID: String
    public let state: State

    public init(interfaceID: String, state: State) {
        self.interfaceID = interfaceID
        self.state = state
    }
}

/// Counters of the fabric since its start.
public struct FabricCounters: Codable, Sendable, Equatable {
    public struct Denied: Codable, Sendable, Hashable {
        public var interfaceID: String
        public var node: String
        public var direction: SecurityGroupRule.Direction
        public var packets: UInt64
        public var bytes: UInt64
    }

    public var rules: [RuleState]
    public var denied: [Denied]
    /// Packets dropped by the source/destination check, by the check's name: `source-check`, `arp-source-check`,
    /// `destination-check`, `ethertype`.
    public var checkDrops: [String: UInt64]
    public var captures: [CaptureStatistics]
    /// The number of denied packets whose record the log has lost.
    public var lostRejects: UInt64
    /// Packets that the VPC router and the internet gateway discarded, by `RouterDiscard.Reason`; empty without a
    /// cloud.
    public var discards: [String: UInt64]
    /// What failed about the netfilter log and the flow log on disk. Each failure is listed once.
    public var failures: [String]
}

/// What a tap's capture saw and missed.
public struct CaptureStatistics: Codable, Sendable, Hashable {
    public var interfaceID: String
    public var tap: String
    /// Packets taken from the kernel.
    public var captured: UInt64
    /// Packets that the kernel's buffer had no room for.
    public var dropped: UInt64
    /// Packets that could not be written to disk.
    public var unwritten: UInt64
    /// The last failure to write or read, if any.
    public var failure: String?
}
