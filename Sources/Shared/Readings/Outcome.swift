/// The protocol of a probe.
public enum ProbeProtocol: String, Codable, Sendable, CaseIterable, Comparable {
    case tcp, udp, icmp, dns, http

    /// The protocols with which every pair is measured unless a file says otherwise. The others must be asked for.
    public static let echoed: [ProbeProtocol] = [.tcp, .udp, .icmp]

    /// The protocol that carries it.
    public var transport: ProbeProtocol {
        switch self {
        case .tcp, .udp, .icmp: self
        case .dns: .udp
        case .http: .tcp
        }
    }

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }
    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// The outcome of a cell's probe. Scenario files and reports use its text form, for example `open`, `unreachable(1)`,
/// `wrong-source(10.0.0.11:4711)`, `loss(40)`, `http(403)`.
public enum Outcome: Sendable, Hashable {
    case open
    case refused
    case reset
    /// ICMP destination unreachable, with the code of RFC 792.
    case unreachable(code: Int)
    case timeout
    /// The receiver saw a source other than the sender's: `address:port`.
    case wrongSource(String)
    /// It was answered, but this share of the packets was lost, in percent, 1…99.
    case loss(percent: Int)
    /// The response code (RFC 1035: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED). 0 stands for an answer without an address.
    case dnsFailure(code: Int)
    case http(Int)
    case notMeasured
}

extension Outcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .open: "open"
        case .refused: "refused"
        case .reset: "reset"
        case .unreachable(let code): "unreachable(\(code))"
        case .timeout: "timeout"
        case .wrongSource(let source): "wrong-source(\(source))"
        case .loss(let percent): "loss(\(percent))"
        case .dnsFailure(let code): "dns-failure(\(code))"
        case .http(let status): "http(\(status))"
        case .notMeasured: "not-measured"
        }
    }

    /// True for the requested answer: `open`, or an HTTP status that is no error (RFC 9110, section 15).
    public var isServed: Bool {
        switch self {
        case .open: true
        case .http(let status): (200..<400).contains(status)
        default: false
        }
    }

    /// Whether nothing but missing answers gave this outcome. A host that keeps the nodes from running gives the same.
    public var lacksAnswers: Bool {
        switch self {
        case .timeout, .loss: true
        default: false
        }
    }

    /// The name without its argument: `unreachable` of `unreachable(1)`.
    public var name: String { String(description.prefix { $0 != "(" }) }

    /// Every name that a scenario file may use.
    public static let names = [
        "open", "refused", "reset", "unreachable", "timeout", "wrong-source", "loss", "dns-failure", "http",
        "not-measured",
    ]

    /// Reads the text form. Returns nil for any other text.
    public init?(_ text: String) {
        let open = text.firstIndex(of: "(")
        let name = open.map { String(text[..<$0]) } ?? text
        var argument: String?
        if let open {
            guard text.last == ")" else { return nil }
            argument = String(text[text.index(after: open)..<text.index(before: text.endIndex)])
        }
        switch (name, argument, argument.flatMap { Int($0) }) {
        case ("open", nil, _): self = .open
        case ("refused", nil, _): self = .refused
        case ("reset", nil, _): self = .reset
        case ("timeout", nil, _): self = .timeout
        case ("dns-failure", _, .some(let code)) where (0...15).contains(code): self = .dnsFailure(code: code)
        case ("not-measured", nil, _): self = .notMeasured
        case ("unreachable", _, .some(let code)) where (0...255).contains(code): self = .unreachable(code: code)
        case ("loss", _, .some(let percent)) where (1...99).contains(percent): self = .loss(percent: percent)
        case ("http", _, .some(let status)) where (100...599).contains(status): self = .http(status)
        case ("wrong-source", .some(let source), _) where !source.isEmpty: self = .wrongSource(source)
        default: return nil
        }
    }
}

extension Outcome: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let outcome = Outcome(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "unknown outcome \(text)")
        }
        self = outcome
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
