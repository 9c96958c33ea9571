import JSON
public import Prober
import Synchronization

/// A small server of JSON documents, for the image `json-mock`: collections that can be read and written, and answers
/// that are slow or say an error.
///
///     GET /                      the names of all collections
///     GET /posts  /posts/1       all of a collection, or one of it
///     POST /posts                adds one, with the next id
///     PUT, PATCH, DELETE /posts/1
///     GET /public, /private      documents that policies tell apart
///     any  /status/503           this status
///     any  /delay/250            200 after so many milliseconds
///     any  /headers              the request as it came
///
/// `?status=503` and `?delay=250` say the same of any request. The variables `STATUS` and `DELAY_MS` say it of every
/// request without these, so that a pod can be the broken one.
public final class JSONMock: Sendable {
    /// More documents of a collection are refused with 507.
    private static let documentLimit = 1000
    private static let collectionNames = ["comments", "posts"]
    private static let singles: [String: JSONValue] = [
        "private": .array([.object(["id": .integer(1), "body": .string("private information")])]),
        "profile": .object(["name": .string("typicode")]),
        "public": .array([.object(["id": .integer(1), "body": .string("public information")])]),
    ]

    private let status: Int?
    private let delay: Duration
    private let collections: Mutex<[String: [Int64: JSONValue]]>

    /// - Parameter environment: The container's variables.
    public init(environment: [String: String]) {
        status = environment["STATUS"].flatMap(Self.status)
        delay = environment["DELAY_MS"].flatMap(Self.delay) ?? .zero
        collections = Mutex([
            "posts": [
                1: .object(["id": .integer(1), "title": .string("json-server"), "author": .string("typicode")])
            ],
            "comments": [
                1: .object(["id": .integer(1), "body": .string("some comment"), "postId": .integer(1)])
            ],
        ])
    }

    /// A status that an answer may have.
    private static func status(_ text: String) -> Int? { Int(text).flatMap { (200...599).contains($0) ? $0 : nil } }

    /// Milliseconds.
    private static func delay(_ text: String) -> Duration? {
        Int(text).flatMap { (0...60_000).contains($0) ? .milliseconds($0) : nil }
    }

    public func answer(_ request: WebRequest) -> WebAnswer {
        let parts = request.path.split(separator: "/").map(String.init)
        var answer = document(request, parts)
        if let asked = request.query["status"].flatMap(Self.status) ?? status, asked != 200 {
            answer = Self.failure(asked, "asked for")
        }
        if answer.delay == .zero { answer.delay = request.query["delay"].flatMap(Self.delay) ?? delay }
        return answer
    }

    private func document(_ request: WebRequest, _ parts: [String]) -> WebAnswer {
        guard let first = parts.first else {
            return Self.answer(.array((Self.collectionNames + Self.singles.keys).sorted().map { .string("/\($0)") }))
        }
        switch (first, parts.count) {
        case ("status", 2):
            guard let status = Self.status(parts[1]) else { return Self.failure(400, "no status: \(parts[1])") }
            return status == 200 ? Self.answer(.object([:])) : Self.failure(status, "asked for")
        case ("delay", 2):
            guard let delay = Self.delay(parts[1]) else { return Self.failure(400, "no delay: \(parts[1])") }
            var answer = Self.answer(.object(["delayed": .string(parts[1])]))
            answer.delay = delay
            return answer
        case ("headers", 1): return Self.answer(WebEcho.description(of: request))
        case (_, 1) where Self.singles[first] != nil:
            guard request.method == "GET" || request.method == "HEAD" else { return Self.failure(405, "read only") }
            return Self.answer(Self.singles[first] ?? .null)
        case (_, 1...2) where Self.collectionNames.contains(first):
            return collection(first, id: parts.count == 2 ? parts[1] : nil, request)
        default: return Self.failure(404, "no such document")
        }
    }

    private func collection(_ name: String, id: String?, _ request: WebRequest) -> WebAnswer {
        let change = ["POST", "PUT", "PATCH"].contains(request.method)
        var given: [String: JSONValue] = [:]
        if change {
            guard let members = (try? JSONText.value(of: request.body))?.members else {
                return Self.failure(400, "the body is no JSON object")
            }
            given = members
        }
        return collections.withLock { collections in
            var documents = collections[name] ?? [:]
            defer { collections[name] = documents }
            guard let id else {
                switch request.method {
                case "GET", "HEAD":
                    return Self.answer(.array(documents.sorted { $0.key < $1.key }.map(\.value)))
                case "POST":
                    guard documents.count < Self.documentLimit else { return Self.failure(507, "full") }
                    let next = (documents.keys.max() ?? 0) + 1
                    given["id"] = .integer(next)
                    documents[next] = .object(given)
                    return Self.answer(.object(given), status: 201)
                default: return Self.failure(405, "no \(request.method) of a collection")
                }
            }
            guard let number = Int64(id), let old = documents[number] else { return Self.failure(404, "no \(id)") }
            given["id"] = .integer(number)
            switch request.method {
            case "GET", "HEAD": return Self.answer(old)
            case "DELETE":
                documents[number] = nil
                return Self.answer(.object([:]))
            case "PUT": documents[number] = .object(given)
            case "PATCH": documents[number] = .object((old.members ?? [:]).merging(given) { $1 })
            default: return Self.failure(405, "no \(request.method) of a document")
            }
            return Self.answer(documents[number] ?? .null)
        }
    }

    private static func answer(_ value: JSONValue, status: Int = 200) -> WebAnswer {
        WebAnswer(status: status, body: JSONText.octets(of: value))
    }

    private static func failure(_ status: Int, _ reason: String) -> WebAnswer {
        answer(.object(["error": .string(reason), "status": .integer(Int64(status))]), status: status)
    }
}
