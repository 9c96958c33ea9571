import DatapathModel
import NetAddress

/// Decides which entries of the translation map are over. It is pure.
enum NATCollection {
    /// The nanoseconds for which a flow may be silent. The values are Cilium's.
    enum Timeout {
        static let other: UInt64 = 60_000_000_000
        static let tcpOpening: UInt64 = 60_000_000_000
        static let tcpEstablished: UInt64 = 8_000_000_000_000
        static let tcpClosing: UInt64 = 10_000_000_000
    }

    private static let tcp: UInt8 = 6

    /// Returns the entries to remove. Both entries of a flow end together: when neither was used in time, or when the
    /// pod is gone.
    ///
    /// - Parameters:
    ///   - now: CLOCK_MONOTONIC in nanoseconds.
    ///   - isInside: Says whether an address is a pod's or the node's.
    static func expired(
        _ entries: [NATKey: NATEntry], now: UInt64, isInside: (IPv4Address) -> Bool
    ) -> [NATKey] {
        entries.compactMap { key, entry in
            guard let near = key.direction == .egress ? key.source : entry.address else { return key }
            // For an outside caller, the node's address is the translated one.
            let own =
                !entry.flags.contains(.service) ? near : key.direction == .egress ? entry.address : key.destination
            guard let own, isInside(own) else { return key }
            let other = entries[key.counterpart(entry)]
            let flags = entry.flags.union(other?.flags ?? [])
            let used = max(entry.used, other?.used ?? 0)
            return now > used && now - used > timeout(key.protocol, flags) ? key : nil
        }
    }

    private static func timeout(_ number: UInt8, _ flags: NATEntry.Flags) -> UInt64 {
        guard number == tcp else { return Timeout.other }
        if flags.contains(.closing) { return Timeout.tcpClosing }
        return flags.contains(.replied) ? Timeout.tcpEstablished : Timeout.tcpOpening
    }
}
