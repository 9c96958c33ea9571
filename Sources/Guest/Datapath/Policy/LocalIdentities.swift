import DatapathModel
import NetAddress

/// The identities of address ranges that this node's policies name, and of addresses whose names they name. A range
/// keeps its number as long as it is named.
struct LocalIdentities: Sendable, Equatable {
    private(set) var numbers: [IPv4CIDR: UInt32] = [:]

    init() {}

    /// Takes over what an earlier agent left in the ipcache.
    init(ipcache: [IPv4CIDR: IPCachePlan.Value]) {
        numbers = ipcache.filter { Identity(rawValue: $0.value.identity).isLocalRange }.mapValues(\.identity)
    }

    /// The identities for other ranges. A number that is given up here is not given to a new range in the same step:
    /// the maps still hold entries of it.
    ///
    /// - Throws: `DatapathError.localIdentitiesExhausted`
    func changed(to ranges: Set<IPv4CIDR>) throws(DatapathError) -> LocalIdentities {
        var result = LocalIdentities()
        result.numbers = numbers.filter { ranges.contains($0.key) }
        let taken = Set(numbers.values)
        var free = Identity.localRange.lazy.filter { !taken.contains($0) }.makeIterator()
        for range in ranges.subtracting(numbers.keys).sorted() {
            guard let number = free.next() else {
                throw .localIdentitiesExhausted(limit: Identity.localRange.count)
            }
            result.numbers[range] = number
        }
        return result
    }

    /// What policies may select a range by: it is of the world, and lies in every wider range. Names are for readers.
    static func labels(of range: IPv4CIDR, names: Set<String> = []) -> [String] {
        ["cidr:\(range)"] + names.sorted().map { "fqdn:\($0)" } + ["reserved:world"]
    }
}
