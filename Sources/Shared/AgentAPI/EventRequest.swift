import Readings

/// Asks for events of the datapath: drops, and traces of the hooks that are switched on.
public struct EventRequest: Codable, Sendable {
    /// Sequence number after which to answer; 0 for all that is kept.
    public let since: UInt64
    public let limit: Int
    /// Only events whose inner source or destination is one of these addresses; nil: all.
    public let addresses: [String]?
    /// Only drops; nil: traces, too.
    public let dropsOnly: Bool?
    /// Wait so long for an event after `since` before answering with none; nil: answer at once.
    public let waitMillis: Int?
    public init(
        since: UInt64, limit: Int, addresses: [String]? = nil, dropsOnly: Bool? = nil, waitMillis: Int? = nil
    ) {
        self.dropsOnly = dropsOnly
        self.since = since
        self.limit = limit
        self.addresses = addresses
        self.waitMillis = waitMillis
    }
}

/// Events after the sequence number that was asked for, oldest first.
public struct EventBatch: Codable, Sendable {
    public let events: [PacketEvent]
    /// Pass it as `since` to go on.
    public let next: UInt64
    /// How many events were overwritten before anybody read them, or found the kernel's buffer full, since the agent's
    /// maps were made. Only its growth from one reply to the next says something.
    public let lost: UInt64
    public init(events: [PacketEvent], next: UInt64, lost: UInt64) {
        self.events = events
        self.next = next
        self.lost = lost
    }
}

public struct TracingRequest: Codable, Sendable {
    /// Trace points to emit besides drops; empty switches traces off.
    public let points: [String]
    public init(points: [String]) { self.points = points }
}

public struct MetricSample: Codable, Sendable, Hashable {
    /// `forwarded` or the name of a drop reason.
    public let reason: String
    public let code: Int
    /// `ingress` or `egress`
    public let direction: String
    public let packets: UInt64
    public let bytes: UInt64
    public init(reason: String, code: Int, direction: String, packets: UInt64, bytes: UInt64) {
        self.reason = reason
        self.code = code
        self.direction = direction
        self.packets = packets
        self.bytes = bytes
    }
}
