import DatapathOptions
import NetAddress
import Scenario

/// The pool of `ipam.mode: cluster-pool`. Like Cilium's operator, it gives each node, in order, a share of a list of
/// ranges.
struct ClusterPool: Sendable, Equatable {
    /// The ranges, in the order in which they are used up.
    let ranges: [IPv4CIDR]
    /// The prefix length of a share.
    let maskSize: Int

    /// Reads the pool from `ipam.operator.*`. What is not given there is taken from the profile.
    ///
    /// - Throws: `LabError` for a list that cannot be used.
    init(_ profile: LabProfile, values: [String: String]) throws(LabError) {
        let options: DatapathOptions
        do {
            options = try DatapathOptions(values: values)
        } catch {
            throw LabError(.plan, "\(error)")
        }
        let pool = options.ipam.operator
        let texts = pool.clusterPoolIPv4PodCIDRList.isEmpty ? [profile.podCIDR] : pool.clusterPoolIPv4PodCIDRList
        maskSize =
            values["ipam.operator.clusterPoolIPv4MaskSize"] == nil
            ? profile.podMaskSize : pool.clusterPoolIPv4MaskSize
        ranges = texts.compactMap { IPv4CIDR($0)?.network }
        guard ranges.count == texts.count, (1...Self.mostRanges).contains(ranges.count) else {
            throw LabError(.plan, "ipam.operator.clusterPoolIPv4PodCIDRList takes 1 to \(Self.mostRanges) networks")
        }
        for (index, range) in ranges.enumerated() {
            guard range.prefixLength <= maskSize else {
                throw LabError(.plan, "a /\(maskSize) per node does not fit \(range)")
            }
            for other in ranges[..<index] where other.contains(range) || range.contains(other) {
                throw LabError(.plan, "clusterPoolIPv4PodCIDRList: \(other) and \(range) overlap")
            }
        }
    }

    /// The number of ranges that the datapath's configuration can hold.
    static let mostRanges = 4

    /// The number of shares of all ranges together.
    var count: Int { ranges.reduce(0) { $0 + 1 << (maskSize - $1.prefixLength) } }

    /// Returns the share at a position of the pool, or nil if the pool is used up.
    func share(_ place: Int) -> IPv4CIDR? {
        guard place >= 0 else { return nil }
        var rest = place
        for range in ranges {
            let shares = 1 << (maskSize - range.prefixLength)
            guard rest >= shares else {
                let address = range.address.rawValue + UInt32(rest) << UInt32(32 - maskSize)
                return IPv4CIDR(IPv4Address(rawValue: address), prefixLength: maskSize)
            }
            rest -= shares
        }
        return nil
    }
}
