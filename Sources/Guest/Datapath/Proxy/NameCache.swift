import NetAddress
import Policy

/// What DNS answered the node's pods: names with their addresses. An address is kept until it has expired and is no
/// longer used. It is pure.
///
/// It is bounded: for a name, it keeps the `addressLimit` addresses that last longest, and `limit` in all. When an
/// address is removed for lack of room, its connections lose their permission.
struct NameCache: Sendable {
    /// The addresses of a name. It is the former default of Cilium's --tofqdns-endpoint-max-ip-per-hostname.
    static let addressLimit = 50
    static let limit = 4096

    struct Entry: Codable, Sendable, Hashable {
        /// The name in lower case, without a final dot.
        var name: String
        /// The dotted address.
        var address: String
        /// The seconds that the answer gave.
        var timeToLive: UInt32
        /// `CLOCK_MONOTONIC` in whole seconds.
        var expires: Int
        /// The endpoint that asked last.
        var endpointID: UInt16
    }

    private struct Item: Sendable {
        var entry: Entry
        /// True once the policies of all endpoints include it.
        var holds = false
    }

    private var names: [String: [IPv4Address: Item]] = [:]
    private(set) var count = 0

    init() {}

    init(_ entries: [Entry]) {
        for entry in entries {
            guard let address = IPv4Address(entry.address) else { continue }
            insert(Item(entry: entry), address)
        }
    }

    /// Extends the times of an answer if every address in it is known and holds.
    ///
    /// - Returns: False if one is not. Nothing was done then.
    mutating func refresh(_ name: String, _ entries: [IPv4Address: Entry]) -> Bool {
        guard let known = names[name], entries.keys.allSatisfy({ known[$0]?.holds == true }) else { return false }
        for (address, entry) in entries { names[name]?[address]?.entry = Self.later(known[address]?.entry, entry) }
        return true
    }

    /// Adds an answer. Its addresses do not hold until `hold` is called.
    mutating func learn(_ name: String, _ entries: [IPv4Address: Entry]) {
        for (address, entry) in entries {
            if let known = names[name]?[address] {
                names[name]?[address]?.entry = Self.later(known.entry, entry)
            } else {
                insert(Item(entry: entry), address)
            }
        }
        while let own = names[name], own.count > Self.addressLimit { removeFirst(own.map { (name, $0, $1) }) }
        while count > Self.limit { removeFirst(names.flatMap { name, own in own.map { (name, $0, $1) } }) }
    }

    /// Notes that the policies of all endpoints now include what is known of a name.
    mutating func hold(_ name: String) {
        for address in (names[name] ?? [:]).keys { names[name]?[address]?.holds = true }
    }

    /// Removes what has expired, except for addresses that connections still use.
    ///
    /// - Returns: True if anything was removed.
    mutating func expire(now: Int, inUse: Set<IPv4Address>) -> Bool {
        let before = count
        for (name, own) in names {
            for (address, item) in own where item.entry.expires < now && !inUse.contains(address) {
                remove(name, address)
            }
        }
        return count < before
    }

    /// The addresses of names that a pattern matches, with those names.
    func addresses(of patterns: Set<NamePattern>) -> [IPv4Address: Set<String>] {
        if patterns.isEmpty { return [:] }
        var result: [IPv4Address: Set<String>] = [:]
        for (name, own) in names where patterns.contains(where: { $0.matches(name) }) {
            for address in own.keys { result[address, default: []].insert(name) }
        }
        return result
    }

    /// The names that were answered with an address, in order.
    func names(of address: IPv4Address) -> [String] {
        names.filter { $0.value[address] != nil }.map(\.key).sorted()
    }

    /// The entries, ordered by name and address.
    var entries: [Entry] {
        names.values.flatMap { $0.sorted { $0.key < $1.key }.map(\.value.entry) }
            .enumerated().sorted { ($0.element.name, $0.offset) < ($1.element.name, $1.offset) }.map(\.element)
    }

    private static func later(_ known: Entry?, _ new: Entry) -> Entry {
        var entry = new
        // An earlier answer may last longer, and the pod may still use it.
        entry.expires = max(new.expires, known?.expires ?? 0)
        return entry
    }

    private mutating func insert(_ item: Item, _ address: IPv4Address) {
        if names[item.entry.name, default: [:]].updateValue(item, forKey: address) == nil { count += 1 }
    }

    private mutating func remove(_ name: String, _ address: IPv4Address) {
        if names[name]?.removeValue(forKey: address) != nil { count -= 1 }
        if names[name]?.isEmpty == true { names[name] = nil }
    }

    private mutating func removeFirst(_ candidates: [(name: String, address: IPv4Address, item: Item)]) {
        let first = candidates.min {
            ($0.item.entry.expires, $0.name, $0.address) < ($1.item.entry.expires, $1.name, $1.address)
        }
        if let first { remove(first.name, first.address) }
    }
}
