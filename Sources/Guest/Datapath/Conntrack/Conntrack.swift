import AgentAPI
import BPF
import DatapathModel
import LinuxKernel

/// The pinned conntrack tables: listed, counted, and rid of what has expired. They are the kernel's, so that connections
/// outlive the agent.
package struct Conntrack: ~Copyable {
    private static let interval = Duration.seconds(30)

    private let tables: Tables
    private var nextCollection = Deadline.after(.zero)
    /// Of the last collection.
    private(set) var gauges: [MapGauge] = []

    /// Opens what `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> Conntrack {
        Conntrack(
            tables: Tables(
                tcp: try Map(pinnedAt: "\(pins)/\(MapName.tcpConnections)"),
                others: try Map(pinnedAt: "\(pins)/\(MapName.otherConnections)")))
    }

    /// `CLOCK_MONOTONIC` in whole seconds, as the entries tell time.
    package static func now() -> Int { Int(MonotonicTime.now.nanoseconds / 1_000_000_000) }

    /// What is valid now, in order.
    func list() throws(SystemError) -> [ConnectionSample] {
        let now = Self.now()
        return (try tables.tcp.entries() + tables.others.entries())
            .compactMap { ConnectionSample($0.key, $0.value, now: now) }
            .sorted()
    }

    /// Collects when it is time.
    ///
    /// - Parameter visit: sees every entry that stays, for whoever needs to know what connections still refer to.
    /// - Returns: whether a collection was made.
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

    private static func collect(
        _ map: borrowing Map<ConnectionKey, ConnectionEntry>, _ name: String,
        _ visit: (ConnectionKey, ConnectionEntry) -> Void
    ) throws(SystemError) -> MapGauge {
        let now = Self.now()
        var stayed = 0
        for (key, entry) in try map.entries() {
            // Asked again before it goes: its connection may have come back to life.
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
    /// Nil for an entry that is void, or not of this build.
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
