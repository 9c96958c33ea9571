/// A request of HTTP/1.1, as far as the lab's cloud is asked (RFC 9112). Untrusted bytes never trap.
public struct HTTPRequest: Sendable, Hashable {
    public var method: String
    /// With the query, if there is one.
    public var target: String
    /// By name in lower case; the last one wins.
    public var headers: [String: String]
    public var body: [UInt8]
    /// Dotted address of who asks.
    public var peer: String

    public init(method: String, target: String, headers: [String: String], body: [UInt8], peer: String) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    static let longestHead = 8192
    static let longestBody = 65_536

    enum Reading: Hashable {
        case needsMore
        case request(HTTPRequest)
        /// Status with which it is refused.
        case refused(Int)
    }

    /// Reads what has come so far of one request.
    static func read(_ bytes: [UInt8], peer: String) -> Reading {
        guard let end = headEnd(bytes) else { return bytes.count > longestHead ? .refused(431) : .needsMore }
        guard end <= longestHead else { return .refused(431) }
        let lines = bytes[..<end].split(separator: UInt8(ascii: "\n")).map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/"), !words[0].isEmpty else {
            return .refused(400)
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() where !line.isEmpty {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { return .refused(400) }
            let value = line[line.index(after: colon)...]
            let trimmed = value.drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(trimmed)
        }
        if headers["transfer-encoding"] != nil { return .refused(501) }
        var length = 0
        if let text = headers["content-length"] {
            guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text), number >= 0 else {
                return .refused(400)
            }
            guard number <= longestBody else { return .refused(413) }
            length = number
        }
        guard bytes.count - end >= length else { return .needsMore }
        return .request(
            HTTPRequest(
                method: words[0], target: words[1], headers: headers, body: Array(bytes[end..<end + length]),
                peer: peer))
    }

    /// The offset after the empty line; nil while there is none.
    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        let feed = UInt8(ascii: "\n")
        var index = 0
        while let line = bytes[index...].firstIndex(of: feed) {
            let next = line + 1
            if next < bytes.count, bytes[next] == feed { return next + 1 }
            if next + 1 < bytes.count, bytes[next] == UInt8(ascii: "\r"), bytes[next + 1] == feed { return next + 2 }
            index = next
        }
        return nil
    }
}

public struct HTTPResponse: Sendable, Hashable {
    public var status: Int
    public var contentType: String
    public var headers: [String: String]
    public var body: [UInt8]

    public init(status: Int = 200, contentType: String = "text/plain", headers: [String: String] = [:], body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    public init(status: Int = 200, text: String) {
        self.init(status: status, body: Array(text.utf8))
    }

    /// The whole message; the connection ends with it.
    var message: [UInt8] {
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\nContent-Type: \(contentType)\r\n"
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + body
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
