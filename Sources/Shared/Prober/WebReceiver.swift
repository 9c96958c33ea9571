import HTTPWire
import NIOHTTP1

/// What a workload of the lab's own is asked by HTTP.
public struct WebRequest: Sendable, Hashable {
    public var method: String
    /// The path without its query, percent-encoded as it came.
    public var path: String
    /// The query's parts by name, as they came; a part without a value is empty.
    public var query: [String: String]
    /// Names in lower case.
    public var headers: [String: String]
    public var body: [UInt8]
    /// Who asks: `192.168.1.4:40112`.
    public var peer: String

    /// - Parameter target: Path and query.
    public init(method: String, target: String, headers: [String: String] = [:], body: [UInt8] = [], peer: String = "")
    {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.method = method
        path = String(parts.first ?? "/")
        var query: [String: String] = [:]
        for part in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[String(pair[0])] = pair.count > 1 ? String(pair[1]) : ""
        }
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    /// - Parameter body: The whole body.
    public init(_ head: HTTPRequestHead, body: [UInt8], peer: String) {
        let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { "\($0), \($1)" }
        self.init(method: head.method.rawValue, target: head.uri, headers: headers, body: body, peer: peer)
    }
}

/// What it answers.
public struct WebAnswer: Sendable, Hashable {
    /// The longest time that an answer may be held back.
    public static let longestDelay = Duration.seconds(60)

    /// 200…599
    public var status: Int
    public var contentType: String
    public var body: [UInt8]
    /// How long it is held back, at most `longestDelay`.
    public var delay: Duration

    public init(
        status: Int = 200, contentType: String = "application/json", body: [UInt8] = [], delay: Duration = .zero
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.delay = delay
    }

    /// The head of the answer, after which the connection ends.
    public func head(to request: HTTPRequestHead?, peer: String) -> HTTPResponseHead {
        var headers: HTTPHeaders = ["Content-Type": contentType, "Content-Length": "\(body.count)"]
        headers.add(name: HTTPProbe.seenHeader, value: peer)
        if let nonce = request?.headers.first(name: HTTPProbe.nonceHeader) {
            headers.add(name: HTTPProbe.nonceHeader, value: nonce)
        }
        headers.add(name: "Connection", value: "close")
        return HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
    }
}

/// Answers requests. It is called on the receivers' own thread, and must not block.
public typealias WebReceiver = @Sendable (WebRequest) -> WebAnswer

/// How a receiver reads requests for a workload that looks at them whole.
enum WebReceiving {
    static let limits = HTTPWire.Limits(head: HTTPProbe.headLimit, body: 256 << 10)

    enum Reading {
        case incomplete
        case broken(status: Int)
        case request(HTTPRequestHead, WebRequest)
    }

    static func read(_ bytes: [UInt8], peer: String) -> Reading {
        do {
            guard let message = try HTTPWire.request(in: bytes, limits: limits), message.isWhole else {
                return .incomplete
            }
            return .request(message.head, WebRequest(message.head, body: message.body, peer: peer))
        } catch {
            switch error {
            case .malformed: return .broken(status: 400)
            case .headTooLong: return .broken(status: 431)
            case .bodyTooLong: return .broken(status: 413)
            }
        }
    }

    static func bytes(_ answer: WebAnswer, to head: HTTPRequestHead?, peer: String) -> [UInt8] {
        HTTPWire.bytes(of: answer.head(to: head, peer: peer), body: head?.method == .HEAD ? [] : answer.body)
    }
}
