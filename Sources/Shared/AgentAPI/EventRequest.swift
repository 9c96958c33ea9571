import Readings

/// Asks for events of the datapath: drops, and traces of the hooks that are switched on.
public struct EventRequest: Codable, Sendable {
    /// The sequence number after which events are wanted. With 0, all events that are kept are.
    public let since: UInt64
    public let limit: Int
    /// If it is given, only events are wanted whose inner source or destination is one of these addresses.
    public let addresses: [String]?
    /// Whether only drops are wanted. If it is nil, traces are wanted, too.
    public let dropsOnly: Bool?
    /// How many milliseconds to wait for an event after `since` before the answer is empty. If it is nil, the agent
    /// answers at once.
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

/// The events after the sequence number that was asked for, the oldest first.
public struct EventBatch: Codable, Sendable {
    public let events: [PacketEvent]
    /// The value of `since` that continues after this batch.
    public let next: UInt64
    /// How many events were overwritten before anybody read them, or found the kernel's buffer full, since the agent's
    /// maps were made. Only the difference between two replies has a meaning.
    public let lost: UInt64
    public init(events: [PacketEvent], next: UInt64, lost: UInt64) {
        self.events = events
        self.next = next
        self.lost = lost
    }
}

public struct TracingRequest: Codable, Sendable {
    /// The trace points to emit besides drops. An empty list switches traces off.
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
