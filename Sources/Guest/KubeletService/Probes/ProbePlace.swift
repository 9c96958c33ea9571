/// What an HTTP probe asks for.
struct ProbePlace: Sendable, Hashable {
    /// The statuses that Go's client follows.
    static let redirects = [301, 302, 303, 307, 308]
    private static let lengthLimit = 8192

    var isTLS: Bool
    /// Without brackets.
    var host: String
    var port: UInt16
    /// With its query.
    var path: String

    var url: String { "\(isTLS ? "https" : "http")://\(NetworkProbe.text(host, port))\(path)" }

    /// Where a `Location` header leads from here (RFC 3986, section 5.2); nil if it cannot be read.
    func following(_ location: String) -> ProbePlace? {
        guard location.utf8.count <= Self.lengthLimit, location.utf8.allSatisfy({ (33...126).contains($0) }) else {
            return nil
        }
        let text = location.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        var next = self
        for (scheme, isTLS) in [("http://", false), ("https://", true)]
        where text.lowercased().hasPrefix(scheme) {
            next.isTLS = isTLS
            return next.at(text.dropFirst(scheme.count))
        }
        if text.hasPrefix("//") { return next.at(text.dropFirst(2)) }
        if text.hasPrefix("/") {
            next.path = String(text)
        } else if text.hasPrefix("?") {
            next.path = String(path.prefix { $0 != "?" }) + text
        } else {
            // Another scheme, such as mailto:, is none that can be asked.
            guard !text.prefix(while: { $0 != "/" && $0 != "?" }).contains(":") else { return nil }
            let folder = path.prefix { $0 != "?" }
            next.path = String(folder[...(folder.lastIndex(of: "/") ?? folder.startIndex)]) + text
        }
        return next
    }

    /// The same scheme at an authority, with what follows it.
    private func at(_ text: Substring) -> ProbePlace? {
        let end = text.firstIndex { $0 == "/" || $0 == "?" } ?? text.endIndex
        var authority = text[..<end]
        if let user = authority.lastIndex(of: "@") { authority = authority[authority.index(after: user)...] }
        var next = self
        next.port = isTLS ? 443 : 80
        var rest = Substring()
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            next.host = String(authority[authority.index(after: authority.startIndex)..<close])
            rest = authority[authority.index(after: close)...]
        } else {
            next.host = String(authority.prefix { $0 != ":" })
            rest = authority.drop { $0 != ":" }
        }
        if rest.hasPrefix(":"), rest.count > 1 {
            guard let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
            next.port = port
        } else if !rest.isEmpty, rest != ":" {
            return nil
        }
        guard !next.host.isEmpty else { return nil }
        let path = text[end...]
        next.path = path.hasPrefix("/") ? String(path) : "/" + path
        return next
    }
}
