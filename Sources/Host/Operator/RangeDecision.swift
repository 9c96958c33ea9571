public import NetAddress

/// A node as the operator sees it in the node's CiliumNode.
public struct RangeHolder: Sendable, Hashable {
    public var name: String
    /// `spec.ipam.podCIDRs`
    public var ranges: [String]
    /// `status.ipam.operator-status.error`
    public var error: String?
    /// When the object was created (RFC 3339).
    public var created: String
    /// The object's version, which a change must still find.
    public var version: String

    public init(name: String, ranges: [String] = [], error: String? = nil, created: String = "", version: String = "") {
        self.name = name
        self.ranges = ranges
        self.error = error
        self.created = created
        self.version = version
    }
}

/// What the operator does for one node.
public enum RangeAction: Sendable, Hashable {
    /// Gives it a range in place of what it has.
    case give(RangeHolder, IPv4CIDR)
    /// Says why it has none; nil takes that back.
    case say(RangeHolder, String?)
}

/// Which node gets which range. A range that a node holds stays its own; where two nodes name overlapping ones, the
/// later node gets another.
struct RangeDecision {
    let pool: RangePool

    /// - Parameter known: The ranges that this operator has seen held, by node. They go before what others name.
    func actions(_ holders: [RangeHolder], known: [String: IPv4CIDR]) -> [RangeAction] {
        let parsed = holders.map { (holder: $0, ranges: $0.ranges.compactMap { IPv4CIDR(network: $0) }) }
        let inOrder = parsed.sorted { one, other in
            let (first, second) = (holds(one, known), holds(other, known))
            if first != second { return first }
            return (one.holder.created, one.holder.name) < (other.holder.created, other.holder.name)
        }
        var taken: [IPv4CIDR] = []
        var without: [RangeHolder] = []
        var actions: [RangeAction] = []
        for (holder, ranges) in inOrder {
            // An agent uses the first one. Where that text is no range, it is no use to the agent either; where it is,
            // the agent goes on with it, whatever is behind it.
            guard let first = holder.ranges.first, IPv4CIDR(network: first) != nil,
                !ranges.contains(where: { range in taken.contains { $0.overlaps(range) } })
            else {
                without.append(holder)
                continue
            }
            taken += ranges
            if holder.error != nil { actions.append(.say(holder, nil)) }
        }
        for holder in without {
            if let share = pool.free(for: holder.name, taken: taken) {
                taken.append(share)
                actions.append(.give(holder, share))
                if holder.error != nil { actions.append(.say(holder, nil)) }
            } else if holder.error != pool.exhaustion {
                actions.append(.say(holder, pool.exhaustion))
            }
        }
        return actions
    }

    /// The ranges that nodes hold, for the next decision. A node that is told that there is none left for it holds
    /// none: what it names is another's.
    static func held(_ holders: [RangeHolder], after actions: [RangeAction]) -> [String: IPv4CIDR] {
        var held: [String: IPv4CIDR] = [:]
        for holder in holders where holder.error == nil { held[holder.name] = range(of: holder) }
        for action in actions {
            switch action {
            case .give(let holder, let range): held[holder.name] = range
            case .say(let holder, nil): held[holder.name] = held[holder.name] ?? range(of: holder)
            case .say(let holder, _): held[holder.name] = nil
            }
        }
        return held
    }

    private static func range(of holder: RangeHolder) -> IPv4CIDR? {
        holder.ranges.first.flatMap { IPv4CIDR(network: $0) }
    }

    private func holds(_ node: (holder: RangeHolder, ranges: [IPv4CIDR]), _ known: [String: IPv4CIDR]) -> Bool {
        known[node.holder.name].map(node.ranges.contains) ?? false
    }
}
