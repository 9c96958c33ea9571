import Matrix

/// One measured cell, before anybody judges it.
public struct ProbeMeasurement: Sendable, Hashable {
    public let key: CellKey
    public let observed: Outcome
    /// Round trip in microseconds when answered.
    public let latencyMicros: Int?
    /// The sender's own port or ICMP identifier; nil when it never sent.
    public let localPort: UInt16?
    /// Whether the receiver confirmed the nonce; nil when the receiver's node could not be asked.
    public let requestArrived: Bool?
    public let sent: Int
    public let answered: Int
}

/// A whole matrix, measured once.
public struct Measurement: Sendable {
    public let endpoints: [Endpoint]
    public let probes: [ProbeMeasurement]
    public let seconds: Double
    public let longestRoundTripMicros: Int
    /// Packets that a UDP or ICMP cell was to be measured with; more were sent where one was sent again.
    public let packets: Int
    /// Nodes that could not be asked, and why.
    public let missing: [String: String]
}

/// Ordered pairs to measure.
public struct MeasurementPlan: Sendable {
    public struct Pair: Sendable, Hashable {
        public let from: Endpoint
        public let to: Endpoint
        public init(from: Endpoint, to: Endpoint) {
            self.from = from
            self.to = to
        }
    }
    public let pairs: [Pair]
    public let protocols: [ProbeProtocol]
    public let deadline: Duration
    public let count: Int
    public init(pairs: [Pair], protocols: [ProbeProtocol], deadline: Duration, count: Int) {
        self.pairs = pairs
        self.protocols = protocols
        self.deadline = deadline
        self.count = count
    }

    /// The same plan over one protocol and few pairs, for a closer look.
    public var cellCount: Int { pairs.count * protocols.count }
}
