import Readings

/// One measured cell, before anybody judges it.
public struct ProbeMeasurement: Sendable, Hashable {
    public let key: CellKey
    /// The outcome if the usual source is expected (`SourceExpectation`).
    public let observed: Outcome
    /// The outcome regardless of the source that the receiver saw.
    public let reached: Outcome
    /// The sources that the receiver saw, as `ADDRESS:PORT`.
    public let sources: [String]
    /// The round trip in microseconds, or nil without an answer.
    public let latencyMicros: Int?
    /// The sender's own port or ICMP identifier, or nil if it never sent.
    public let localPort: UInt16?
    /// Whether the receiver confirmed the nonce, or nil if the receiver's node could not be asked.
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

    /// Whether the deadline ended before all packets were sent, so that the share of answers means nothing.
    package var wasCutShort: Bool { observed == .notMeasured && sent > 0 }

    /// Returns the outcome if the receiver must have seen one of these source addresses and no other.
    public func outcome(expecting addresses: [String]) -> Outcome {
        // If no receiver confirmed the request, there is no source to compare.
        guard answered > 0, !sources.isEmpty, reached != .notMeasured else { return observed }
        let wrong = sources.first { source in !addresses.contains(String(source.prefix { $0 != ":" })) }
        return wrong.map { .wrongSource($0) } ?? reached
    }
}

/// One measurement of a whole matrix.
public struct Measurement: Sendable {
    public let endpoints: [Endpoint]
    public let probes: [ProbeMeasurement]
    public let seconds: Double
    public let longestRoundTripMicros: Int
    /// How many packets a UDP or ICMP cell is measured with. If one was sent again, more were sent.
    public let packets: Int
    /// The reason why a node could not be asked, by node.
    public let missing: [String: String]
    /// The source addresses of packets of a node's endpoints, by node.
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
