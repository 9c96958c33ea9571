import Readings

/// One measured cell, before anybody judges it.
public struct ProbeMeasurement: Sendable, Hashable {
    public let key: CellKey
    /// With the usual source expected (`SourceExpectation`).
    public let observed: Outcome
    /// What it is whatever source the receiver saw.
    public let reached: Outcome
    /// Sources that the receiver saw, `address:port`.
    public let sources: [String]
    /// Round trip in microseconds when answered.
    public let latencyMicros: Int?
    /// The sender's own port or ICMP identifier; nil when it never sent.
    public let localPort: UInt16?
    /// Whether the receiver confirmed the nonce; nil when the receiver's node could not be asked.
    public let requestArrived: Bool?
    public let sent: Int
    public let answered: Int

    public init(
        key: CellKey, observed: Outcome, reached: Outcome? = nil, sources: [String] = [], latencyMicros: Int?,
        localPort: UInt16?, requestArrived: Bool?, sent: Int, answered: Int
    ) {
        self.key = key
        self.observed = observed
        self.reached = reached ?? observed
        self.sources = sources
        self.latencyMicros = latencyMicros
        self.localPort = localPort
        self.requestArrived = requestArrived
        self.sent = sent
        self.answered = answered
    }

    /// What it is when the receiver must have seen one of these source addresses and no other.
    public func outcome(expecting addresses: [String]) -> Outcome {
        // An answer that no receiver vouches for stays what it is.
        guard answered > 0, !sources.isEmpty, reached != .notMeasured else { return observed }
        let wrong = sources.first { source in !addresses.contains(String(source.prefix { $0 != ":" })) }
        return wrong.map { .wrongSource($0) } ?? reached
    }
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
    /// Where packets of a node's endpoints come from, by node.
    public let senders: [String: SenderAddresses]

    public init(
        endpoints: [Endpoint], probes: [ProbeMeasurement], seconds: Double, longestRoundTripMicros: Int, packets: Int,
        missing: [String: String], senders: [String: SenderAddresses] = [:]
    ) {
        self.endpoints = endpoints
        self.probes = probes
        self.seconds = seconds
        self.longestRoundTripMicros = longestRoundTripMicros
        self.packets = packets
        self.missing = missing
        self.senders = senders
    }
}
