import DatapathModel
import NetAddress

/// The identities of address ranges that this node's policies mention, and of the addresses of names that they mention.
/// A range keeps its number as long as it is mentioned.
struct LocalIdentities: Sendable, Equatable {
    private(set) var numbers: [IPv4CIDR: UInt32] = [:]

    init() {}

    /// Takes over what an earlier agent left in the ipcache.
    init(ipcache: [IPv4CIDR: IPCachePlan.Value]) {
        numbers = ipcache.filter { Identity(rawValue: $0.value.identity).isLocalRange }.mapValues(\.identity)
    }

    /// Returns the identities for other ranges. A number that becomes free is not given to a new range in the same
    /// step, because the maps still hold entries of it.
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

    /// Returns the labels by which policies may select a range: it belongs to the world and lies in every wider range.
    /// `names` are for readers only.
    static func labels(of range: IPv4CIDR, names: Set<String> = []) -> [String] {
        ["cidr:\(range)"] + names.sorted().map { "fqdn:\($0)" } + ["reserved:world"]
    }
}
