import HTTPWire
import NIOHTTP1

/// A request to one of the servers of the lab's cloud.
public struct HTTPRequest: Sendable, Hashable {
    public var method: String
    /// The path with the query, if there is one.
    public var target: String
    /// Values by the header's name in lower case. Of several headers with one name, the last is here.
    public var headers: [String: String]
    public var body: [UInt8]
    /// The dotted address of who asks.
    public var peer: String

    public init(method: String, target: String, headers: [String: String], body: [UInt8], peer: String) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    static let limits = HTTPWire.Limits(head: 8192, body: 65_536)

    enum Reading: Hashable {
        case needsMore
        case request(HTTPRequest)
        /// The request is refused with a status.
        case refused(Int)
    }

    /// Reads what has come so far of one request.
    static func read(_ bytes: [UInt8], peer: String) -> Reading {
        do {
            guard let message = try HTTPWire.request(in: bytes, limits: limits) else { return .needsMore }
            let head = message.head
            guard head.uri.hasPrefix("/") else { return .refused(400) }
            if head.headers.contains(name: "transfer-encoding") { return .refused(501) }
            guard message.isWhole else { return .needsMore }
            let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { _, last in last }
            return .request(
                HTTPRequest(
                    method: head.method.rawValue, target: head.uri, headers: headers, body: message.body, peer: peer))
        } catch {
            switch error {
            case .malformed: return .refused(400)
            case .bodyTooLong: return .refused(413)
            case .headTooLong: return .refused(431)
            }
        }
    }
}

/// What a server of the lab's cloud answers.
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

    /// The whole message. The connection ends after it.
    var message: [UInt8] {
        var fields: HTTPHeaders = ["Content-Type": contentType]
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { fields.add(name: name, value: value) }
        fields.add(name: "Content-Length", value: "\(body.count)")
        fields.add(name: "Connection", value: "close")
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: fields)
        return HTTPWire.bytes(of: head, body: body)
    }
}
