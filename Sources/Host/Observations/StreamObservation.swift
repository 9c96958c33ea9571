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
    /// The time between two of its messages, in milliseconds.
    public var intervalMillis: Int
    /// The time since the last answer, in milliseconds. It is nil if the flow could not be read.
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

    /// A silence of this many milliseconds is the end of the flow: a second, or ten intervals if that is longer.
    private var mostSilentMillis: Int { max(1000, 10 * intervalMillis) }

    /// Whether the flow is answered, has not ended, and has not been silent for longer than `mostSilentMillis`.
    public var isLive: Bool {
        guard established, answered > 0, let silentMillis else { return false }
        return silentMillis < mostSilentMillis
    }

    /// Whether only a silence indicates that the flow has ended, and the host can be the reason for the silence.
    package func isStarved(_ starvation: Starvation) -> Bool {
        guard established, answered > 0, ended == nil, let silentMillis, !isLive else { return false }
        let took = Double(silentMillis) / 1000
        return TimeClaim.isExplained(
            took: took, limit: Double(mostSilentMillis - 1) / 1000, starved: starvation.most(within: took))
    }

    /// The reason why the flow is not live, in words.
    public var silence: String {
        if let ended { return "ended: \(ended)" }
        if answered == 0 { return "was never answered" }
        return silentMillis.map { "has been silent for \($0) ms" } ?? "could not be read"
    }
}
