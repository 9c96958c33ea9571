import Readings

/// The verdict on a cell. A cell that was not measured never gets `pass`.
public enum CellVerdict: String, Codable, Sendable {
    case pass, fail
    case notMeasured = "not-measured"
    /// It was measured, but the step expects nothing of it.
    case unchecked
}

/// A measured cell of the matrix in the form of `report.json`.
public struct Cell: Codable, Sendable, Hashable {
    public let from: String
    public let to: String
    public let `protocol`: ProbeProtocol
    public let port: UInt16
    /// The name of the request with which it is measured; nil for an echo.
    public let request: String?
    /// The outcomes that are as expected; nil if the step expects nothing.
    public var expected: [OutcomePattern]?
    public var observed: Outcome
    public var verdict: CellVerdict
    /// The round-trip time in microseconds, if it was answered.
    public var latencyMicros: Int?
    /// The packets sent (UDP, ICMP) or connections tried (TCP). If something was sent again, this is more than was
    /// asked for, and reports show it.
    public var attempts: Int
    public var why: [WhyEntry]

    public init(
        key: CellKey, expected: [OutcomePattern]?, observed: Outcome, verdict: CellVerdict, latencyMicros: Int?,
        attempts: Int, why: [WhyEntry]
    ) {
        from = key.from
        to = key.to
        self.protocol = key.protocol
        port = key.port
        request = key.request
        self.expected = expected
        self.observed = observed
        self.verdict = verdict
        self.latencyMicros = latencyMicros
        self.attempts = attempts
        self.why = why
    }

    public var key: CellKey { CellKey(from: from, to: to, protocol: `protocol`, port: port, request: request) }
}

/// An outcome that a rule accepts, by its name (`unreachable`) or in full (`unreachable(1)`).
public struct OutcomePattern: Codable, Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// Returns nil if the text is neither an outcome nor the name of one.
    public init?(_ text: String) {
        guard Outcome.names.contains(text) || Outcome(text) != nil else { return nil }
        self.text = text
    }

    public func matches(_ outcome: Outcome) -> Bool { text == outcome.description || text == outcome.name }
    public var description: String { text }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let pattern = OutcomePattern(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "unknown outcome \(text)")
        }
        self = pattern
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
