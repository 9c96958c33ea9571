import HTTPWire
import NIOHTTP1
import NetAddress
import NodeProtocol

/// The request of a probe, which has no body, and what is read of the answer's head.
enum HTTPProbe {
    /// This header names the probe in its request. A receiver of ours repeats it in the answer.
    static let nonceHeader = "X-Labrun-Probe"
    /// The address and port that a receiver of ours saw the request come from, as `address:port`.
    static let seenHeader = "X-Labrun-Seen"

    /// - Parameter nonce: A text that no other probe has.
    static func request(
        method: String, path: String, headers: [String: String], host: String, nonce: String
    ) -> [UInt8] {
        var fields = HTTPHeaders()
        if !headers.keys.contains(where: { $0.lowercased() == "host" }) { fields.add(name: "Host", value: host) }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { fields.add(name: name, value: value) }
        fields.add(name: nonceHeader, value: nonce)
        fields.add(name: "Connection", value: "close")
        if method != "GET", method != "HEAD" { fields.add(name: "Content-Length", value: "0") }
        return HTTPWire.bytes(
            of: HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: path, headers: fields))
    }

    enum Reading: Hashable {
        /// The head is not whole yet.
        case incomplete
        /// The bytes are not HTTP.
        case broken
        /// The head is whole. `seen` is there only when the answer has the nonce of the probe.
        case answer(status: UInt16, seen: SeenAddress?)
    }

    /// The longest head that is waited for, in bytes. Bodies are not looked at.
    static let headLimit = 16_384

    static func read(_ bytes: [UInt8], nonce: String) -> Reading {
        // Bytes that do not begin like HTTP are refused at once, without waiting for the empty line after a head.
        guard zip(bytes, "HTTP/1.".utf8).allSatisfy(==) else { return .broken }
        let limits = HTTPWire.Limits(head: headLimit, body: .max)
        do {
            // Whether there is a body does not matter, so that the probe's own method does not either.
            guard let answer = try HTTPWire.response(in: bytes, to: .GET, ended: false, limits: limits) else {
                return .incomplete
            }
            let status = answer.head.status.code
            guard (100...599).contains(status) else { return .broken }
            let headers = answer.head.headers
            let isOurs = headers.first(name: nonceHeader) == nonce
            return .answer(
                status: UInt16(status), seen: isOurs ? headers.first(name: seenHeader).flatMap { SeenAddress($0) } : nil
            )
        } catch {
            return .broken
        }
    }
}

/// How an echo receiver treats a connection that speaks HTTP: it answers 200 to every request, with the source that it
/// saw.
enum HTTPReceiver {
    private static let methods = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS "]

    /// Whether the first bytes of a connection can only be a request's.
    static func isRequest(_ bytes: [UInt8]) -> Bool {
        methods.contains { method in
            bytes.count >= method.utf8.count && bytes.prefix(method.utf8.count).elementsEqual(method.utf8)
        }
    }

    /// Whether the first bytes of a connection may become a request's when more follow.
    static func mayBeRequest(_ bytes: [UInt8]) -> Bool {
        methods.contains { $0.utf8.prefix(bytes.count).elementsEqual(bytes) }
    }

    /// Returns the answer to a request whose head is whole, or the status 400 for bytes that are no request. The result
    /// is nil while the head has not ended. The request's body is not waited for.
    static func answer(_ bytes: [UInt8], peer: String) -> [UInt8]? {
        var headers: HTTPHeaders = ["Content-Type": "text/plain"]
        var status = HTTPResponseStatus.ok
        var body = ""
        do {
            let limits = HTTPWire.Limits(head: HTTPProbe.headLimit, body: .max)
            guard let head = try HTTPWire.request(in: bytes, limits: limits)?.head else { return nil }
            if head.method != .HEAD { body = "\(head.method) \(head.uri) \(head.version)\n" }
            headers.add(name: "Content-Length", value: "\(body.utf8.count)")
            headers.add(name: HTTPProbe.seenHeader, value: peer)
            if let nonce = head.headers.first(name: HTTPProbe.nonceHeader) {
                headers.add(name: HTTPProbe.nonceHeader, value: nonce)
            }
        } catch {
            status = .badRequest
            headers.add(name: "Content-Length", value: "0")
        }
        headers.add(name: "Connection", value: "close")
        return HTTPWire.bytes(
            of: HTTPResponseHead(version: .http1_1, status: status, headers: headers), body: Array(body.utf8))
    }
}

extension SeenAddress {
    /// Reads a text such as `192.168.1.4:40112`.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(String(parts[0])), let port = UInt16(parts[1]) else {
            return nil
        }
        self.init(address: address.rawValue, port: port)
    }
}
