import AgentAPI
import BPF
import DatapathModel
import LinuxKernel
import NetAddress

/// The pinned conntrack tables, which it lists and counts, and from which it removes expired entries. They are in the
/// kernel, so that connections outlive the agent.
package struct Conntrack: ~Copyable {
    private static let interval = Duration.seconds(30)

    private let tables: Tables
    private var nextCollection = Deadline.after(.zero)
    /// The result of the last collection.
    private(set) var gauges: [MapGauge] = []

    /// Opens the maps that `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> Conntrack {
        Conntrack(
            tables: Tables(
                tcp: try Map(pinnedAt: "\(pins)/\(MapName.tcpConnections)"),
                others: try Map(pinnedAt: "\(pins)/\(MapName.otherConnections)")))
    }

    /// `CLOCK_MONOTONIC` in whole seconds, which is the clock of the entries.
    package static func now() -> Int { Int(MonotonicTime.now.nanoseconds / 1_000_000_000) }

    /// Returns the valid entries, in order.
    func list() throws(SystemError) -> [ConnectionSample] {
        let now = Self.now()
        return (try tables.tcp.entries() + tables.others.entries())
            .compactMap { ConnectionSample($0.key, $0.value, now: now) }
            .sorted()
    }

    /// Removes expired entries if a collection is due.
    ///
    /// - Parameter visit: Sees every entry that stays, and so learns what connections still refer to.
    ///
    /// - Returns: True if a collection was made.
    mutating func collectIfDue(
        _ visit: (ConnectionKey, ConnectionEntry) -> Void
    ) throws(SystemError) -> Bool {
        guard nextCollection.hasPassed else { return false }
        nextCollection = .after(Self.interval)
        gauges = [
            try Self.collect(tables.tcp, MapName.tcpConnections, visit),
            try Self.collect(tables.others, MapName.otherConnections, visit),
        ]
        return true
    }

    /// Removes the entries of all connections that have an address at one of their ends. An address that is given to
    /// another pod must not bring connections along that somebody else was allowed.
    func forget(_ address: IPv4Address) throws(SystemError) {
        try Self.forget(address, in: tables.tcp)
        try Self.forget(address, in: tables.others)
    }

    private static func forget(
        _ address: IPv4Address, in map: borrowing Map<ConnectionKey, ConnectionEntry>
    ) throws(SystemError) {
        for key in try map.keys() where key.source == address || key.destination == address {
            try map.removeValue(for: key)
        }
    }

    private static func collect(
        _ map: borrowing Map<ConnectionKey, ConnectionEntry>, _ name: String,
        _ visit: (ConnectionKey, ConnectionEntry) -> Void
    ) throws(SystemError) -> MapGauge {
        let now = Self.now()
        var stayed = 0
        for (key, entry) in try map.entries() {
            // The entry is read again right before its removal, since a packet may have renewed it.
            if Int(entry.expires) < now, let last = try map.value(for: key), Int(last.expires) < now {
                try map.removeValue(for: key)
            } else {
                stayed += 1
                visit(key, entry)
            }
        }
        return MapGauge(name: name, entries: stayed, capacity: try map.capacity())
    }

    private struct Tables: ~Copyable {
        let tcp: Map<ConnectionKey, ConnectionEntry>
        let others: Map<ConnectionKey, ConnectionEntry>
    }
}

extension ConnectionSample {
    /// Returns nil for an entry that has expired or is not of this build.
    init?(_ key: ConnectionKey, _ entry: ConnectionEntry, now: Int) {
        guard let source = key.source, let destination = key.destination, let direction = key.direction,
            let state = entry.state, Int(entry.expires) >= now
        else { return nil }
        self.init(
            protocol: key.ipProtocol, direction: direction.description, source: source.description,
            sourcePort: key.sourcePort, destination: destination.description, destinationPort: key.destinationPort,
            state: state.description, flags: entry.flags.words, secondsLeft: Int(entry.expires) - now,
            sourceIdentity: entry.sourceIdentity.rawValue, reverseIndex: entry.reverseIndex, backend: entry.backend,
            proxyPort: entry.proxyPort)
    }
}
