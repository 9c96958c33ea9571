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

/// A trace or drop notification of the datapath.
public struct DatapathEvent: Codable, Sendable, Hashable {
    public let sequence: UInt64
    /// CLOCK_MONOTONIC of the node, nanoseconds.
    public let nanoseconds: UInt64
    /// `to-endpoint`, `from-endpoint`, `to-overlay`, `from-overlay`, `to-stack`, `from-network`, or `drop`.
    public let point: String
    /// Name and code of the drop reason; nil on a trace.
    public let dropReason: String?
    public let dropCode: Int?
    /// `lxc.bpf.c:123` of the drop.
    public let location: String?
    public let `protocol`: UInt8
    public let source: String
    public let sourcePort: UInt16
    public let destination: String
    public let destinationPort: UInt16
    /// ICMP identifier and sequence; 0 otherwise.
    public let icmpID: UInt16
    public let icmpSequence: UInt16
    public let sourceIdentity: UInt32
    public let destinationIdentity: UInt32
    public let endpointID: UInt16
    public let interface: String
    /// Underlay address encapsulated to, or come from.
    public let tunnelPeer: String?
    public let length: Int
    /// `ingress` or `egress`, seen from the endpoint whose program reports.
    public let direction: String?
    /// The policy rule that decided, `NetworkPolicy default/web ingress[0]`; when none did, the policies that isolate the
    /// endpoint.
    public let rule: String?
    /// What DNS answered with the destination's address, as far as the node's DNS proxy saw; nil: nothing.
    public let destinationNames: [String]?
    public init(
        sequence: UInt64, nanoseconds: UInt64, point: String, dropReason: String?, dropCode: Int?, location: String?,
        protocol: UInt8, source: String, sourcePort: UInt16, destination: String, destinationPort: UInt16,
        icmpID: UInt16, icmpSequence: UInt16, sourceIdentity: UInt32, destinationIdentity: UInt32, endpointID: UInt16,
        interface: String, tunnelPeer: String?, length: Int, direction: String? = nil, rule: String? = nil,
        destinationNames: [String]? = nil
    ) {
        self.sequence = sequence
        self.nanoseconds = nanoseconds
        self.point = point
        self.dropReason = dropReason
        self.dropCode = dropCode
        self.location = location
        self.protocol = `protocol`
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.icmpID = icmpID
        self.icmpSequence = icmpSequence
        self.sourceIdentity = sourceIdentity
        self.destinationIdentity = destinationIdentity
        self.endpointID = endpointID
        self.interface = interface
        self.tunnelPeer = tunnelPeer
        self.length = length
        self.direction = direction
        self.rule = rule
        self.destinationNames = destinationNames
    }
}

public struct EventBatch: Codable, Sendable {
    public let events: [DatapathEvent]
    /// Pass it as `since` to go on.
    public let next: UInt64
    /// Events that were overwritten before they were read, or found the kernel's buffer full. Only its growth says something.
    public let lost: UInt64
    public init(events: [DatapathEvent], next: UInt64, lost: UInt64) {
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
