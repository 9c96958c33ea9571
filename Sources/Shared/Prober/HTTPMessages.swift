import NetAddress
import NodeProtocol

/// A request of HTTP/1.1 without a body, and what is read of its answer (RFC 9112).
enum HTTPProbe {
    /// Names the probe in a request; a receiver of ours repeats it.
    static let nonceHeader = "X-Labrun-Probe"
    /// `address:port` that a receiver of ours saw.
    static let seenHeader = "X-Labrun-Seen"

    /// - Parameter nonce: of this one probe.
    static func request(
        method: String, path: String, headers: [String: String], host: String, nonce: String
    ) -> [UInt8] {
        var lines = ["\(method) \(path) HTTP/1.1"]
        if !headers.keys.contains(where: { $0.lowercased() == "host" }) { lines.append("Host: \(host)") }
        lines += headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        lines += ["\(nonceHeader): \(nonce)", "Connection: close"]
        if method != "GET", method != "HEAD" { lines.append("Content-Length: 0") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    enum Reading: Hashable {
        /// The head is not whole yet.
        case incomplete
        /// Not HTTP.
        case broken
        /// `seen` only with the nonce of the probe.
        case answer(status: UInt16, seen: SeenAddress?)
    }

    /// Longest head that is waited for.
    static let headLimit = 16_384

    static func read(_ bytes: [UInt8], nonce: String) -> Reading {
        let text = String(decoding: bytes.prefix(headLimit), as: UTF8.self)
        guard text.hasPrefix("HTTP/1.") || "HTTP/1.".hasPrefix(text) else { return .broken }
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let end = lines.firstIndex(of: ""), end + 1 < lines.count else {
            return bytes.count >= headLimit ? .broken : .incomplete
        }
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = UInt16(words[1]), (100...599).contains(status) else { return .broken }
        var fields: [String: Substring] = [:]
        for line in lines[1..<end] {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].drop { $0 == " " }
        }
        let isOurs = fields[nonceHeader.lowercased()].map { $0 == nonce } ?? false
        return .answer(
            status: status, seen: isOurs ? fields[seenHeader.lowercased()].flatMap { SeenAddress(String($0)) } : nil)
    }
}

/// What an echo receiver makes of a connection that speaks HTTP: 200 to every request, with the source that it saw.
enum HTTPReceiver {
    private static let methods = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS "]

    /// Whether the first bytes of a connection can only be a request's.
    static func isRequest(_ bytes: [UInt8]) -> Bool {
        methods.contains { method in
            bytes.count >= method.utf8.count && bytes.prefix(method.utf8.count).elementsEqual(method.utf8)
        }
    }

    /// Whether they may become one.
    static func mayBeRequest(_ bytes: [UInt8]) -> Bool {
        methods.contains { $0.utf8.prefix(bytes.count).elementsEqual(bytes) }
    }

    /// The answer to a whole head; nil while more is to come. Bodies are not read.
    static func answer(_ bytes: [UInt8], peer: String) -> [UInt8]? {
        let text = String(decoding: bytes.prefix(HTTPProbe.headLimit), as: UTF8.self)
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let end = lines.firstIndex(of: ""), end + 1 < lines.count else { return nil }
        let prefix = HTTPProbe.nonceHeader.lowercased() + ":"
        let nonce = lines[1..<end].first { $0.lowercased().hasPrefix(prefix) }
        let echoed = nonce.map { "\(HTTPProbe.nonceHeader):\($0.drop { $0 != ":" }.dropFirst())\r\n" } ?? ""
        let body = lines[0].hasPrefix("HEAD ") ? "" : "\(lines[0])\n"
        return Array(
            ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n"
                + "\(HTTPProbe.seenHeader): \(peer)\r\n\(echoed)Connection: close\r\n\r\n\(body)").utf8)
    }
}

extension SeenAddress {
    /// `192.168.1.4:40112`; nil for any other text.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(String(parts[0])), let port = UInt16(parts[1]) else {
            return nil
        }
        self.init(address: address.rawValue, port: port)
    }
}
