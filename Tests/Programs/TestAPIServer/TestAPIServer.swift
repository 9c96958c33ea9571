import Certificates
import Foundation
public import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TLS

/// An API server in memory, as far as clients notice: objects by path, lists and watches with a field selector, create,
/// merge patches and delete with their preconditions, over TLS on 127.0.0.1. A deleted pod stays until it is deleted
/// without grace. It can be stopped and started again, with another certificate of the same authority.
public final class TestAPIServer: Sendable {
    private struct Watcher {
        let collection: String
        let selector: String?
        let channel: any Channel
    }

    /// What has happened to an object. Watches that begin later get what happened after the version that they name.
    private struct Change {
        let version: Int64
        let path: String
        let object: JSONValue
        let line: [UInt8]
    }

    private struct State {
        var objects: [String: JSONValue] = [:]
        var changes: [Change] = []
        var version: Int64 = 1
        var watchers: [Watcher] = []
        var requests: [String] = []
        /// Requests are answered with 500 meanwhile.
        var isBroken = false
        /// Changes up to here are forgotten: a watch that names an older version gets 410.
        var forgotten: Int64 = 0
        /// The bearer tokens that are believed; nil means that everybody is.
        var tokens: Set<String>?
        /// Collections that are not served, as those of a definition that is not there.
        var unserved: Set<String> = []
        var connections: [any Channel] = []
    }

    /// What a client needs.
    public struct Credentials: Sendable {
        public let authorityPEM: String
        public let clientChainPEM: String
        public let clientKeyPEM: String
    }

    private static let authority = Result {
        let authority = try CertificateAuthority("lab-ca")
        return (
            authority: authority,
            client: try authority.issue(
                CertificateSubject("system:node:node1", organizations: ["system:nodes"], for: [.client]))
        )
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let shared: Shared
    private let listener = Mutex<(any Channel)?>(nil)
    private let chosenPort = Mutex(0)

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    public init() throws {
        shared = Shared()
        try start()
    }

    /// Starts the server, for the first time or on the port that it had, with a new certificate.
    public func start() throws {
        let authority = try Self.authority.get().authority
        let own = try authority.issue(
            CertificateSubject("kube-apiserver", for: [.server], addresses: [.init(127, 0, 0, 1)]))
        let context = try TLSContext(
            serverChainPEM: own.certificatePEM, keyPEM: own.keyPEM, clientAuthorityPEM: authority.certificatePEM)
        let shared = shared
        let channel = try ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(try TLSHandler(server: context))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: false)
                    try pipeline.addHandler(
                        Exchange { request, channel in
                            shared.state.withLock { Self.answer(request, channel, &$0) }
                        })
                    shared.state.withLock { $0.connections.append(channel) }
                }
            }
            .bind(host: "127.0.0.1", port: chosenPort.withLock { $0 }).wait()
        chosenPort.withLock { $0 = channel.localAddress?.port ?? 0 }
        listener.withLock { $0 = channel }
    }

    /// Ends the server and all its connections. What it has stays.
    public func stop() {
        try? listener.withLock { $0 }?.close().wait()
        cut()
    }

    /// Ends all connections.
    public func cut() {
        let channels = shared.state.withLock { state in
            defer {
                state.connections = []
                state.watchers = []
            }
            return state.connections
        }
        for channel in channels { try? channel.close().wait() }
    }

    public var port: UInt16 { UInt16(chosenPort.withLock { $0 }) }

    public var credentials: Credentials {
        get throws {
            let (authority, client) = try Self.authority.get()
            return Credentials(
                authorityPEM: authority.certificatePEM, clientChainPEM: client.certificatePEM,
                clientKeyPEM: client.keyPEM)
        }
    }

    deinit { group.shutdownGracefully { _ in } }

    // MARK: For tests

    public func object(_ path: String) -> JSONValue? { shared.state.withLock { $0.objects[path] } }

    public var requests: [String] { shared.state.withLock { $0.requests } }

    public func put(_ path: String, _ object: JSONValue) {
        shared.state.withLock { _ = Self.store(path, object, &$0) }
    }

    /// As `kubectl delete pod` does.
    public func deletePod(_ path: String, grace: Int64) {
        shared.state.withLock { state in
            guard let pod = state.objects[path] else { return }
            let mark = JSONValue.object([
                "metadata": .object([
                    "deletionTimestamp": .string("2026-11-29T18:00:00Z"),
                    "deletionGracePeriodSeconds": .integer(grace),
                ])
            ])
            _ = Self.store(path, Self.merged(pod, mark), &state)
        }
    }

    public func setBroken(_ broken: Bool) {
        let channels = shared.state.withLock { state in
            state.isBroken = broken
            return state.watchers.map(\.channel)
        }
        if broken { for channel in channels { channel.close(promise: nil) } }
    }

    /// Waits until the body answers a value.
    public func wait<Value: Sendable>(
        _ what: String, within limit: Duration = .seconds(20), _ body: () -> Value?
    ) async throws -> Value {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if let value = body() { return value }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Missing(description: "\(what); objects: \(shared.state.withLock { $0.objects.keys.sorted() })")
    }

    public struct Missing: Error, CustomStringConvertible { public let description: String }

    /// Takes an object away at once.
    public func remove(_ path: String) { shared.state.withLock { Self.delete(path, &$0) } }

    /// The paths of all objects below one.
    public func paths(below prefix: String) -> [String] {
        shared.state.withLock { $0.objects.keys.filter { $0.hasPrefix(prefix) }.sorted() }
    }

    /// Forgets what has happened so far, so that watches that ended have to list anew.
    public func forgetChanges() {
        shared.state.withLock { state in
            state.changes = []
            state.forgotten = state.version
        }
    }

    /// Believes only these tokens from now on; nil for everybody.
    public func believe(_ tokens: Set<String>?) { shared.state.withLock { $0.tokens = tokens } }

    /// Serves a collection, or answers 404 for it.
    public func serve(_ collection: String, _ isServed: Bool) {
        shared.state.withLock { state in
            if isServed { state.unserved.remove(collection) } else { state.unserved.insert(collection) }
        }
    }

    /// Sends all watches the present version.
    public func bookmark() {
        shared.state.withLock { state in
            let line = JSONText.octets(
                of: .object([
                    "type": .string("BOOKMARK"),
                    "object": .object(["metadata": .object(["resourceVersion": .string("\(state.version)")])]),
                ]))
            for watcher in state.watchers { Self.send(line + [10], watcher.channel) }
        }
    }

    /// Sends the watches of a collection a line as it is.
    public func send(_ line: [UInt8], to collection: String) {
        shared.state.withLock { state in
            for watcher in state.watchers where watcher.collection == collection {
                Self.send(line + [10], watcher.channel)
            }
        }
    }

    /// How many watches of a collection are open.
    public func watches(of collection: String) -> Int {
        shared.state.withLock { $0.watchers.count { $0.collection == collection && $0.channel.isActive } }
    }

    // MARK: Requests

    fileprivate struct Request {
        let method: HTTPMethod
        let uri: String
        let token: String?
        let body: [UInt8]
    }

    private static func answer(_ request: Request, _ channel: any Channel, _ state: inout State) {
        let method = request.method
        let components = URLComponents(string: request.uri)
        let query = Dictionary((components?.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
        let path = components?.path ?? request.uri
        let isWatch = query["watch"] == "true" || query["watch"] == "1"
        state.requests.append("\(isWatch ? "WATCH" : method.rawValue) \(path)")
        guard !state.isBroken else { return refuse(500, "InternalError", channel) }
        if let tokens = state.tokens, !tokens.contains(request.token ?? "") {
            return refuse(401, "Unauthorized", channel)
        }
        guard !state.unserved.contains(path) else { return refuse(404, "NotFound", channel) }
        let given = (try? JSONText.value(of: request.body)) ?? .null
        switch method {
        case .GET where isCollection(path):
            let selector = query["fieldSelector"]
            if isWatch {
                let since = query["resourceVersion"].flatMap { Int64($0) } ?? 0
                guard since >= state.forgotten else { return refuse(410, "Expired", channel) }
                begin(channel)
                for change in state.changes
                where change.version > since && contains(path, change.path) && selects(change.object, selector) {
                    send(change.line, channel)
                }
                state.watchers.append(Watcher(collection: path, selector: selector, channel: channel))
            } else {
                let items = state.objects.filter { contains(path, $0.key) && selects($0.value, selector) }
                reply(
                    200,
                    .object([
                        "kind": .string("List"),
                        "metadata": .object(["resourceVersion": .string("\(state.version)")]),
                        "items": .array(items.sorted { $0.key < $1.key }.map(\.value)),
                    ]), channel)
            }
        case .GET:
            guard let object = state.objects[path] else { return refuse(404, "NotFound", channel) }
            reply(200, object, channel)
        case .POST:
            let name = given["metadata"]?["name"]?.text ?? ""
            guard state.objects["\(path)/\(name)"] == nil else { return refuse(409, "AlreadyExists", channel) }
            reply(201, store("\(path)/\(name)", given, &state), channel)
        case .PATCH:
            let own = path.hasSuffix("/status") ? String(path.dropLast(7)) : path
            guard let object = state.objects[own] else { return refuse(404, "NotFound", channel) }
            if let version = given["metadata"]?["resourceVersion"], version != object["metadata"]?["resourceVersion"] {
                return refuse(409, "Conflict", channel)
            }
            reply(200, store(own, merged(object, given), &state), channel)
        case .DELETE:
            guard let object = state.objects[path] else { return refuse(404, "NotFound", channel) }
            for condition in ["uid", "resourceVersion"] {
                if let value = given["preconditions"]?[condition], value != object["metadata"]?[condition] {
                    return refuse(409, "Conflict", channel)
                }
            }
            delete(path, &state)
            reply(200, object, channel)
        default: refuse(405, "MethodNotAllowed", channel)
        }
    }

    private static func delete(_ path: String, _ state: inout State) {
        guard let object = state.objects.removeValue(forKey: path) else { return }
        state.version += 1
        let gone = merged(object, .object(["metadata": .object(["resourceVersion": .string("\(state.version)")])]))
        tell("DELETED", path, gone, &state)
    }

    /// `/api/v1/nodes` and `/api/v1/namespaces/N/pods`; a name is behind a collection.
    private static func isCollection(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        let rest = parts.first == "api" ? parts.dropFirst(2) : parts.dropFirst(3)
        return rest.first == "namespaces" && rest.count > 2 ? rest.count == 3 : rest.count == 1
    }

    private static func collection(of path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// Whether an object of this path is in a collection, which may be one of all namespaces.
    private static func contains(_ collection: String, _ path: String) -> Bool {
        if self.collection(of: path) == collection { return true }
        let kind = collection.split(separator: "/").last ?? ""
        return !collection.contains("/namespaces/")
            && self.collection(of: path).hasSuffix("/\(kind)") && path.contains("/namespaces/")
    }

    private static func selects(_ object: JSONValue, _ selector: String?) -> Bool {
        guard let selector else { return true }
        let parts = selector.split(separator: "=", maxSplits: 1).map(String.init)
        var value: JSONValue? = object
        for key in parts[0].split(separator: ".") { value = value?[String(key)] }
        return value?.text == parts.last
    }

    @discardableResult
    private static func store(_ path: String, _ object: JSONValue, _ state: inout State) -> JSONValue {
        let isNew = state.objects[path] == nil
        state.version += 1
        var own: [String: JSONValue] = ["resourceVersion": .string("\(state.version)")]
        if object["metadata"]?["uid"] == nil { own["uid"] = .string("uid-\(state.version)") }
        let stored = merged(object, .object(["metadata": .object(own)]))
        state.objects[path] = stored
        tell(isNew ? "ADDED" : "MODIFIED", path, stored, &state)
        return stored
    }

    private static func tell(_ type: String, _ path: String, _ object: JSONValue, _ state: inout State) {
        state.watchers.removeAll { !$0.channel.isActive }
        let event = JSONText.octets(of: .object(["type": .string(type), "object": object])) + [10]
        state.changes.append(Change(version: state.version, path: path, object: object, line: event))
        for watcher in state.watchers where contains(watcher.collection, path) && selects(object, watcher.selector) {
            send(event, watcher.channel)
        }
    }

    private static func send(_ line: [UInt8], _ channel: any Channel) {
        channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: line))), promise: nil)
    }

    /// RFC 7386, which is near enough to a strategic merge patch for what a kubelet sends.
    private static func merged(_ object: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var members = object.members ?? [:]
        for (key, value) in changes {
            members[key] = value == .null ? nil : merged(members[key] ?? .object([:]), value)
        }
        return .object(members)
    }

    private static func begin(_ channel: any Channel) {
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Transfer-Encoding": "chunked"])
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
    }

    private static func reply(_ status: Int, _ object: JSONValue, _ channel: any Channel) {
        let bytes = JSONText.octets(of: object)
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: status),
            headers: ["Content-Length": "\(bytes.count)", "Content-Type": "application/json"])
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes))), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    private static func refuse(_ status: Int, _ reason: String, _ channel: any Channel) {
        reply(
            status,
            .object([
                "kind": .string("Status"), "status": .string("Failure"), "reason": .string(reason),
                "message": .string("refused"), "code": .integer(Int64(status)),
            ]), channel)
    }
}

/// One connection: a request after the other.
fileprivate final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias Answer = @Sendable (TestAPIServer.Request, any Channel) -> Void

    private let answer: Answer
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ answer: @escaping Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let part): body += part.readableBytesView
        case .end:
            guard let head else { return }
            let token = head.headers.first(name: "Authorization").map { String($0.dropFirst("Bearer ".count)) }
            answer(
                TestAPIServer.Request(method: head.method, uri: head.uri, token: token, body: body), context.channel)
        }
    }
}
