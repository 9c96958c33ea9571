import Readings

/// A long-lived flow at the end of a step.
public struct StreamObservation: Sendable, Hashable {
    public var from: Endpoint
    public var to: Endpoint
    public var `protocol`: ProbeProtocol
    public var established: Bool
    public var sent: Int
    public var answered: Int
    public var longestGapMillis: Int
    /// Between its messages.
    public var intervalMillis: Int
    /// Since the last answer; nil when the flow could not be read.
    public var silentMillis: Int?
    public var ended: String?

    public init(
        from: Endpoint, to: Endpoint, protocol: ProbeProtocol, established: Bool, sent: Int, answered: Int,
        longestGapMillis: Int, intervalMillis: Int, silentMillis: Int?, ended: String?
    ) {
        self.from = from
        self.to = to
        self.protocol = `protocol`
        self.established = established
        self.sent = sent
        self.answered = answered
        self.longestGapMillis = longestGapMillis
        self.intervalMillis = intervalMillis
        self.silentMillis = silentMillis
        self.ended = ended
    }

    /// From here on a silence is the end of the flow, in milliseconds: a second, or ten intervals.
    private var mostSilentMillis: Int { max(1000, 10 * intervalMillis) }

    /// Answered, not ended, and not silent for longer than a second or ten intervals.
    public var isLive: Bool {
        guard established, answered > 0, let silentMillis else { return false }
        return silentMillis < mostSilentMillis
    }

    /// Whether nothing but a silence speaks against the flow, and the host can be the reason for it.
    package func isStarved(_ starvation: Starvation) -> Bool {
        guard established, answered > 0, ended == nil, let silentMillis, !isLive else { return false }
        let took = Double(silentMillis) / 1000
        return TimeClaim.isExplained(
            took: took, limit: Double(mostSilentMillis - 1) / 1000, starved: starvation.most(within: took))
    }

    /// Why it is not live, in words.
    public var silence: String {
        if let ended { return "ended: \(ended)" }
        if answered == 0 { return "was never answered" }
        return silentMillis.map { "has been silent for \($0) ms" } ?? "could not be read"
    }
}
