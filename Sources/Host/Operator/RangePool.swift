public import NetAddress

/// The ranges of a cluster's pods, divided into shares for nodes.
public struct RangePool: Sendable, Hashable {
    public let ranges: [IPv4CIDR]
    public let maskSize: Int
    /// The shares that the lab's plan has for nodes, by name.
    public let planned: [String: IPv4CIDR]

    /// - Throws: `OperatorError` for texts that are no networks and for shares that do not fit.
    public init(_ settings: OperatorSettings) throws(OperatorError) {
        let (networks, mask) = (settings.pool.compactMap { IPv4CIDR(network: $0) }, settings.maskSize)
        guard networks.count == settings.pool.count, (0...32).contains(mask),
            networks.allSatisfy({ (0...24).contains(mask - $0.prefixLength) })
        else { throw OperatorError("no pool: shares of /\(mask) of \(settings.pool.joined(separator: ", "))") }
        ranges = networks
        maskSize = mask
        planned = settings.planned.compactMapValues { IPv4CIDR(network: $0) }
    }

    /// The number of shares. The first one is nobody's, as in the lab's plan.
    public var count: Int { max(0, ranges.reduce(0) { $0 + 1 << (maskSize - $1.prefixLength) } - 1) }

    /// Returns the first share that overlaps nothing of what is taken; one that is planned for somebody else only if
    /// there is no other. Nil if the pool is used up.
    func free(for node: String, taken: [IPv4CIDR]) -> IPv4CIDR? {
        func isFree(_ share: IPv4CIDR) -> Bool { !taken.contains { $0.overlaps(share) } }
        if let own = planned[node], isFree(own) { return own }
        let others = Set(planned.filter { $0.key != node }.values)
        var reserve: IPv4CIDR?
        var place = 0
        for range in ranges {
            for index in 0..<(1 << (maskSize - range.prefixLength)) {
                defer { place += 1 }
                let address = range.address.rawValue &+ UInt32(truncatingIfNeeded: index << (32 - maskSize))
                guard place > 0, let share = IPv4CIDR(IPv4Address(rawValue: address), prefixLength: maskSize),
                    isFree(share)
                else { continue }
                if !others.contains(share) { return share }
                reserve = reserve ?? share
            }
        }
        return reserve
    }

    /// Why a node gets none.
    var exhaustion: String {
        "no podCIDR left: the pool \(ranges.map(\.description).joined(separator: ", ")) has \(count) shares of "
            + "/\(maskSize), and all are taken"
    }
}

/// Why the operator cannot work.
public struct OperatorError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
