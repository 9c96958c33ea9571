extension GatewayTable {
    /// The rule for a request, or nil if there is none, which is answered by 404.
    ///
    /// Only the most specific host that matches counts, as a virtual host: a request is not for the rules of others.
    public func rule(at port: UInt16, for request: RouteRequest) -> Rule? {
        guard let listener = listeners.first(where: { $0.port == port }) else { return nil }
        let name = request.hostname
        let host = listener.hosts.filter { Hostname.holds($0.name, name) }.max {
            Hostname.isMoreGeneral($0.name, $1.name)
        }
        return host?.rules.first { $0.match.holds(request) }
    }
}

/// Names of hosts as gateways and routes have them.
public enum Hostname {
    public static let all = "*"

    /// Whether a name with or without a wildcard has a host. A wildcard stands for one label or more.
    static func holds(_ pattern: String, _ name: String) -> Bool {
        if pattern == all { return true }
        guard pattern.hasPrefix("*.") else { return pattern == name }
        return name.hasSuffix(pattern.dropFirst()) && name.utf8.count > pattern.utf8.count - 1
    }

    /// Whether the first is for more hosts than the second, where both are for some host.
    static func isMoreGeneral(_ one: String, _ other: String) -> Bool {
        func key(_ pattern: String) -> (Int, Int) {
            pattern == all ? (0, 0) : (pattern.hasPrefix("*.") ? 1 : 2, pattern.utf8.count)
        }
        return key(one) < key(other)
    }

    /// The hosts that both are for, as one name; nil if there are none. Nil stands for all hosts.
    public static func intersection(_ one: String?, _ other: String?) -> String? {
        let (one, other) = (one ?? all, other ?? all)
        if one == other { return one }
        if one == all { return other }
        if other == all { return one }
        switch (one.hasPrefix("*."), other.hasPrefix("*.")) {
        case (false, false): return nil
        case (true, false): return holds(one, other) ? other : nil
        case (false, true): return holds(other, one) ? one : nil
        case (true, true):
            if one.hasSuffix(other.dropFirst()) { return one }
            return other.hasSuffix(one.dropFirst()) ? other : nil
        }
    }

    /// Whether it is a hostname as Gateway API takes it: labels of a DNS name, the first of which may be `*`.
    public static func isValid(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...253).contains(name.utf8.count) else { return false }
        let rest = labels.first == "*" ? labels.dropFirst() : labels[...]
        guard !rest.isEmpty, !(rest.count > 3 && rest.allSatisfy { $0.allSatisfy(\.isNumber) }) else { return false }
        return rest.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { octet in
                    switch octet {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
        }
    }
}

extension GatewayTable.Backend {
    /// The weight, bounded: a table may come from anywhere.
    var share: Int { min(max(0, weight), 1_000_000) }
}

extension GatewayTable.Rule {
    /// What becomes of a request.
    public enum Outcome: Sendable, Hashable {
        /// It goes to this backend.
        case backend(GatewayTable.Backend)
        /// It is answered by a status, with a `Location` if it is a redirect.
        case answer(status: Int, location: String?)
    }

    /// - Parameter draw: A number from 0 up to and without its argument.
    public func outcome(of request: RouteRequest, scheme: String = "http", draw: (Int) -> Int) -> Outcome {
        if let redirect { return .answer(status: redirect.status, location: location(redirect, request, scheme)) }
        let total = backends.reduce(0) { $0 + $1.share }
        guard total > 0 else { return .answer(status: 500, location: nil) }
        var left = min(max(0, draw(total)), total - 1)
        for backend in backends where backend.share > 0 {
            if left < backend.share { return backend.isValid ? .backend(backend) : .answer(status: 500, location: nil) }
            left -= backend.share
        }
        return .answer(status: 500, location: nil)
    }

    private func location(_ redirect: GatewayTable.Redirect, _ request: RouteRequest, _ scheme: String) -> String {
        let target = redirect.path.map { changed(request.target, $0) } ?? request.target
        let port = redirect.port.map { ":\($0)" }
        let own = request.host.dropFirst(request.hostname.utf8.count)
        // With another scheme, the port is that scheme's own.
        let kept = redirect.scheme == nil || redirect.scheme == scheme ? String(own) : ""
        return "\(redirect.scheme ?? scheme)://\(redirect.hostname ?? request.hostname)\(port ?? kept)\(target)"
    }

    /// The target that the backend sees.
    public func rewritten(_ target: String) -> String { rewrite?.path.map { changed(target, $0) } ?? target }

    private func changed(_ target: String, _ change: GatewayTable.PathChange) -> String {
        let path = target.prefix { $0 != "?" }
        let query = target.dropFirst(path.count)
        guard change.isOfPrefix else { return change.value + query }
        let rest = match.path.isExact ? "" : path.dropFirst(match.path.prefix.count)
        let base = change.value.hasSuffix("/") ? String(change.value.dropLast()) : change.value
        let joined = base + rest
        return (joined.isEmpty ? "/" : joined) + query
    }
}
