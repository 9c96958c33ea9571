/// Which requests a rule is for: all that it names must hold.
public struct RequestMatch: Codable, Sendable, Hashable {
    public struct Path: Codable, Sendable, Hashable {
        /// Whether the whole path must be this one; else it is a prefix of whole segments.
        public var isExact: Bool
        public var value: String
        public init(isExact: Bool, value: String) {
            self.isExact = isExact
            self.value = value
        }

        public static let all = Path(isExact: false, value: "/")

        /// The prefix without the slash at its end, which makes no difference.
        var prefix: Substring { value.hasSuffix("/") ? value.dropLast() : Substring(value) }

        func holds(_ path: Substring) -> Bool {
            if isExact { return path == value }
            guard path.hasPrefix(prefix) else { return false }
            let rest = path.dropFirst(prefix.count)
            return rest.isEmpty || rest.first == "/"
        }
    }

    public struct Named: Codable, Sendable, Hashable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var path: Path
    /// `GET`; nil for all.
    public var method: String?
    /// Headers by name, whose case does not count.
    public var headers: [Named]
    /// Parameters of the query.
    public var query: [Named]

    public init(path: Path = .all, method: String? = nil, headers: [Named] = [], query: [Named] = []) {
        self.path = path
        self.method = method
        self.headers = headers
        self.query = query
    }

    public func holds(_ request: RouteRequest) -> Bool {
        path.holds(request.path) && (method == nil || method == request.method)
            && headers.allSatisfy { wanted in
                request.value(of: wanted.name) == wanted.value
            } && query.allSatisfy { wanted in request.parameter(wanted.name) == wanted.value }
    }

    /// Whether it goes before another one, by Gateway API's order: an exact path, the longer path, a method, more
    /// headers, more parameters. Nil if that does not decide.
    public func precedes(_ other: RequestMatch) -> Bool? {
        func key(_ match: RequestMatch) -> [Int] {
            [
                match.path.isExact ? 1 : 0, match.path.value.utf8.count, match.method == nil ? 0 : 1,
                match.headers.count, match.query.count,
            ]
        }
        let (mine, theirs) = (key(self), key(other))
        return mine == theirs ? nil : theirs.lexicographicallyPrecedes(mine)
    }
}

/// What is looked at of a request.
public struct RouteRequest: Sendable {
    public var method: String
    /// `/a/b?c=d`
    public var target: String
    /// The `Host` header.
    public var host: String
    public var headers: [(name: String, value: String)]

    public init(method: String, target: String, host: String, headers: [(name: String, value: String)] = []) {
        self.method = method
        self.target = target
        self.host = host
        self.headers = headers
    }

    var path: Substring { target.prefix { $0 != "?" } }

    /// The host's name in lower case, without a port.
    var hostname: String {
        let name = host.lowercased()
        guard let colon = name.lastIndex(of: ":"), name[name.index(after: colon)...].allSatisfy(\.isNumber) else {
            return name
        }
        return String(name[..<colon])
    }

    /// The values of a header, joined as one (RFC 9110, section 5.3); nil without one.
    func value(of name: String) -> String? {
        let values = headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ",")
    }

    /// The first value of a parameter of the query, undecoded.
    func parameter(_ name: String) -> String? {
        for part in target.drop(while: { $0 != "?" }).dropFirst().split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair[0] == name { return pair.count > 1 ? String(pair[1]) : "" }
        }
        return nil
    }
}
