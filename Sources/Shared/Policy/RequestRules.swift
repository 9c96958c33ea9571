/// The parts of an HTTP request that rules look at.
public struct RequestFacts: Sendable, Hashable {
    public let method: String
    /// The request target as it was sent, with its query.
    public let path: String
    public let host: String?
    public let headers: [(name: String, value: String)]

    public init(method: String, path: String, host: String?, headers: [(name: String, value: String)]) {
        self.method = method
        self.path = path
        self.host = host
        self.headers = headers
    }

    public static func == (left: RequestFacts, right: RequestFacts) -> Bool {
        left.method == right.method && left.path == right.path && left.host == right.host
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(path)
    }
}

/// An `HTTPMatch` with its patterns parsed.
public struct RequestMatch: Sendable, Hashable {
    private let method: TextPattern?
    private let path: TextPattern?
    private let host: TextPattern?
    private let headers: [Header]

    private struct Header: Sendable, Hashable {
        let name: String
        let value: String?
    }

    /// - Throws: `TextPattern.Mistake`, whose text begins with the field.
    public init(_ match: HTTPMatch) throws(TextPattern.Mistake) {
        func pattern(_ text: String?, _ field: String) throws(TextPattern.Mistake) -> TextPattern? {
            guard let text, !text.isEmpty else { return nil }
            do {
                return try TextPattern(text)
            } catch {
                throw TextPattern.Mistake(description: "\(field): \"\(text)\" is no regular expression: \(error)")
            }
        }
        method = try pattern(match.method, "method")
        path = try pattern(match.path, "path")
        host = try pattern(match.host, "host")
        var headers: [Header] = []
        for text in match.headers {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0]).lowercased()
            guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
                throw TextPattern.Mistake(description: "headers: \"\(text)\" is no \"Name: value\"")
            }
            headers.append(
                Header(name: name, value: parts.count == 2 ? Self.trimmed(parts[1]) : nil))
        }
        for header in match.headerMatches {
            guard !header.name.isEmpty, !header.name.contains(where: { $0.isWhitespace || $0 == ":" }) else {
                throw TextPattern.Mistake(description: "headerMatches: \"\(header.name)\" is no header's name")
            }
            headers.append(Header(name: header.name.lowercased(), value: header.value))
        }
        self.headers = headers
    }

    /// Says whether the request matches everything that is given. A header that is given must be present, and every
    /// value that it has must be the given one, if there is one.
    public func matches(_ request: RequestFacts) -> Bool {
        if let method, !method.matches(request.method) { return false }
        if let path, !path.matches(request.path) { return false }
        if let host, !host.matches(request.host ?? "") { return false }
        return headers.allSatisfy { header in
            let values = request.headers.filter { $0.name.lowercased() == header.name }.map(\.value)
            // A receiver might use the first or the last of several values, so all must match.
            return !values.isEmpty && values.allSatisfy { header.value == nil || $0 == header.value }
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

/// A rule that looks at requests, for one endpoint.
public struct RequestRule: Sendable, Hashable {
    /// The condition on a request.
    public enum Matches: Sendable, Hashable {
        case http([RequestMatch])
        case dns([NamePattern])
    }

    public let name: String
    /// The identities of the other side, or nil for any.
    public let identities: Set<UInt32>?
    public let ports: Set<PortRange>
    public let matches: Matches

    func covers(identity: UInt32, port: UInt16, of transport: PortProtocol) -> Bool {
        (identities?.contains(identity) ?? true)
            && ports.contains { $0.protocol == transport && $0.ports.contains(port) }
    }
}

/// What an endpoint's policy says of requests to it, or of those that it sends.
public struct RequestPolicy: Sendable, Hashable {
    public let direction: DirectionPolicy
    public let rules: [RequestRule]

    public init(_ direction: DirectionPolicy, rules: [RequestRule]) {
        self.direction = direction
        self.rules = rules
    }

    public enum Verdict: Sendable, Hashable {
        case allowed
        /// `by` names the rules that look at requests of this connection, or the rule that denies all of it.
        case denied(by: String)
    }

    /// Judges an HTTP request.
    ///
    /// - Parameters:
    ///   - identity: The other side's identity.
    ///   - port: The port that was called.
    public func verdict(on request: RequestFacts, peer identity: UInt32, port: UInt16) -> Verdict {
        verdict(identity, port, .tcp) { matches in
            guard case .http(let matches) = matches else { return false }
            return matches.contains { $0.matches(request) }
        }
    }

    /// Judges a DNS question for a name.
    public func verdict(
        onName name: String, peer identity: UInt32, port: UInt16, of transport: PortProtocol
    ) -> Verdict {
        verdict(identity, port, transport) { matches in
            guard case .dns(let patterns) = matches else { return false }
            return patterns.contains { $0.matches(name) }
        }
    }

    private func verdict(
        _ identity: UInt32, _ port: UInt16, _ transport: PortProtocol, _ isMet: (RequestRule.Matches) -> Bool
    ) -> Verdict {
        let decision = direction.strongest(identity: identity, port: port, of: transport)
        switch decision?.verdict {
        case .allow: return .allowed
        case .deny, .defaultDeny: return .denied(by: decision?.rule ?? "")
        case nil: return .denied(by: "no policy of the endpoint")
        case .redirect:
            let asked = rules.filter { $0.covers(identity: identity, port: port, of: transport) }
            if asked.contains(where: { isMet($0.matches) }) { return .allowed }
            return .denied(by: Set(asked.map(\.name)).sorted().joined(separator: ", "))
        }
    }
}

extension DirectionPolicy {
    /// The strongest of the decisions that cover a connection. Which one of equals is returned does not matter here.
    func strongest(identity: UInt32, port: UInt16, of transport: PortProtocol) -> PolicyDecision? {
        var found: PolicyDecision?
        for (match, decision) in decisions {
            guard match.identity == 0 || match.identity == identity else { continue }
            if let ports = match.ports, ports.protocol != transport || !ports.ports.contains(port) { continue }
            if found.map({ decision.verdict > $0.verdict }) ?? true { found = decision }
        }
        return found
    }
}
