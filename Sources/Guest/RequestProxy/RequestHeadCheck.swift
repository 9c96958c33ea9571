package import NIOHTTP1
import Policy

/// Checks what the head of a request says to a policy and to the next reader. It is pure.
package enum RequestHeadCheck {
    /// Returns why the head could mean one thing here and another at the server, or nil if it has only one meaning.
    package static func mistake(_ head: HTTPRequestHead) -> String? {
        guard head.version == .http1_1 || head.version == .http1_0 else { return "HTTP/1.0 and HTTP/1.1 only" }
        if head.headers["host"].count > 1 { return "several Host headers" }
        if head.version == .http1_1, head.headers["host"].isEmpty { return "no Host header" }
        if head.headers["content-length"].count > 1 { return "several Content-Length headers" }
        let codings = head.headers["transfer-encoding"]
        if !codings.isEmpty {
            if head.headers.contains(name: "content-length") { return "Content-Length beside Transfer-Encoding" }
            if codings.count > 1 || codings[0].lowercased() != "chunked" {
                return "a Transfer-Encoding other than chunked"
            }
            if head.version == .http1_0 { return "Transfer-Encoding in HTTP/1.0" }
        }
        if head.method == .CONNECT { return nil }
        if head.uri == "*" { return head.method == .OPTIONS ? nil : "the target is no path" }
        return pathMistake(Array(head.uri.utf8))
    }

    /// Checks the path. A server may read `/a/../b` as `/b`, and a policy that allows `/a/.*` must not let that
    /// through.
    ///
    /// Some servers cut a segment's parameters first (`/a/..;x/b`, RFC 3986 section 3.3), and some decode the path
    /// twice (`/a/%252e%252e/b`).
    private static func pathMistake(_ target: [UInt8]) -> String? {
        guard target.first == UInt8(ascii: "/") else { return "the target is no path" }
        guard target.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") })
        else {
            return "the target has octets that no path has"
        }
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        var decoded: [UInt8] = []
        var index = path.startIndex
        while index < path.endIndex {
            var octet = path[index]
            if octet == UInt8(ascii: "%") {
                guard index + 2 < path.endIndex, let value = hex(path[index + 1], path[index + 2]) else {
                    return "the target has a broken percent-encoding"
                }
                octet = value
                // Some servers decode before they split the path into segments.
                if octet == UInt8(ascii: "/") || octet == UInt8(ascii: "\\") || octet < 0x20 {
                    return "the target has an encoded separator"
                }
                index += 2
            }
            decoded.append(octet)
            index += 1
        }
        if changesWhenDecodedAgain(decoded) { return "the target is percent-encoded twice" }
        let names = decoded.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { segment in
            segment.prefix { $0 != UInt8(ascii: ";") }
        }
        return names.contains { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }
            ? "the target has dot segments" : nil
    }

    /// Whether a second decoding would bring out an octet that decides which path it is: a dot, a separator, the start
    /// of parameters, a control character, or a percent sign for a third decoding.
    private static func changesWhenDecodedAgain(_ path: [UInt8]) -> Bool {
        path.indices.dropLast(2).contains { index in
            guard path[index] == UInt8(ascii: "%"), let octet = hex(path[index + 1], path[index + 2]) else {
                return false
            }
            return octet < 0x20 || "./\\;%".utf8.contains(octet)
        }
    }

    private static func hex(_ high: UInt8, _ low: UInt8) -> UInt8? {
        guard let high = Character(UnicodeScalar(high)).hexDigitValue,
            let low = Character(UnicodeScalar(low)).hexDigitValue
        else { return nil }
        return UInt8(high << 4 | low)
    }

    static func facts(_ head: HTTPRequestHead) -> RequestFacts {
        RequestFacts(
            method: head.method.rawValue, path: head.uri, host: head.headers.first(name: "host"),
            headers: head.headers.map { ($0.name, $0.value) })
    }

    /// Returns the head as it is passed to the server.
    static func forwarded(_ head: HTTPRequestHead) -> HTTPRequestHead {
        var head = head
        let keepsAlive = head.isKeepAlive
        stripHops(&head.headers, version: head.version, keepsAlive: keepsAlive)
        return head
    }

    /// Removes headers that are about this connection only (RFC 9110, section 7.6.1), and those that ask for another
    /// protocol on it.
    package static func stripHops(_ headers: inout HTTPHeaders, version: HTTPVersion, keepsAlive: Bool) {
        for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"] {
            headers.remove(name: name)
        }
        if !keepsAlive {
            headers.add(name: "Connection", value: "close")
        } else if version == .http1_0 {
            headers.add(name: "Connection", value: "keep-alive")
        }
    }
}
