import DatapathModel
import NetAddress

/// Which entries of the translation map are over; pure.
enum NATCollection {
    /// Nanoseconds that a flow may be silent; the times are Cilium's.
    enum Timeout {
        static let other: UInt64 = 60_000_000_000
        static let tcpOpening: UInt64 = 60_000_000_000
        static let tcpEstablished: UInt64 = 8_000_000_000_000
        static let tcpClosing: UInt64 = 10_000_000_000
    }

    private static let tcp: UInt8 = 6

    /// Both entries of a flow end together: when neither was used in time, or when the pod is no more.
    ///
    /// - Parameters:
    ///   - now: CLOCK_MONOTONIC, nanoseconds.
    ///   - isInside: whether an address is that of a pod or of the node.
    static func expired(
        _ entries: [NATKey: NATEntry], now: UInt64, isInside: (IPv4Address) -> Bool
    ) -> [NATKey] {
        entries.compactMap { key, entry in
            guard let near = key.direction == .egress ? key.source : entry.address else { return key }
            // Of a caller from outside, the node's is the address that he was given.
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
