import KubeClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TLS
import Testing

/// A server on 127.0.0.1 over TLS that does to each request what a test says.
final class ScriptedServer: Sendable {
    struct Received: Sendable {
        var method: String
        var path: String
        var query: [String: String]
        var headers: HTTPHeaders
        var body: String
        /// How many requests came before this one.
        var index: Int
        /// How many connections came before the request's.
        var connection: Int
        /// The common name of the client's certificate.
        var peer: String?
    }

    enum Step: Sendable {
        case bytes([UInt8])
        /// The connection ends.
        case cut
        /// The answer goes on with what `push` sends.
        case follow

        static func text(_ text: String) -> Step { .bytes(Array(text.utf8)) }
        static func answer(_ body: String, headers: [String] = []) -> Step { answer(200, body, headers: headers) }
        static func answer(_ status: Int, _ body: String, headers: [String] = []) -> Step {
            let lines = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)"] + headers
            return .text(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        }
        static var beginChunks: Step { .text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") }
        static func chunk(_ text: String) -> Step {
            .text(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
        }
        static var endChunks: Step { .text("0\r\n\r\n") }
    }

    private struct State {
        var received: [Received] = []
        var connections = 0
        var openConnections = 0
        var peakConnections = 0
        var streams: [any Channel] = []
    }

    let port: UInt16
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let state: Shared
    /// What connections share with the server; the server ends them when it ends.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    init(
        _ identity: TestCertificates.Pair = TestCertificates.server, clientAuthority: String? = nil,
        _ script: @escaping @Sendable (Received) -> [Step]
    ) throws {
        let context = try TLSContext(
            serverChainPEM: identity.certificate, keyPEM: identity.key, clientAuthorityPEM: clientAuthority)
        let shared = Shared()
        state = shared
        channel = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = shared.state.withLock { state in
                        state.connections += 1
                        state.openConnections += 1
                        state.peakConnections = max(state.peakConnections, state.openConnections)
                        return state.connections - 1
                    }
                    channel.closeFuture.whenComplete { _ in
                        shared.state.withLock { state in
                            state.openConnections -= 1
                            state.streams.removeAll { $0 === channel }
                        }
                    }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(server: context))
                    try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
                    try pipeline.addHandler(
                        Connection(number) { received, channel in
                            var received = received
                            shared.state.withLock { state in
                                received.index = state.received.count
                                state.received.append(received)
                            }
                            for step in script(received) {
                                switch step {
                                case .bytes(let bytes):
                                    channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
                                case .cut: channel.close(promise: nil)
                                case .follow: shared.state.withLock { $0.streams.append(channel) }
                                }
                            }
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        port = UInt16(channel.localAddress?.port ?? 0)
    }

    deinit { group.shutdownGracefully { _ in } }

    func address(
        _ credential: KubeCredential = .token("t"), authority: String = TestCertificates.authority
    ) -> KubeServer {
        KubeServer(host: "127.0.0.1", port: port, authorityPEM: authority, credential: credential)
    }

    func client(
        _ credential: KubeCredential = .token("t"), authority: String = TestCertificates.authority,
        limits: KubeClientLimits = KubeClientLimits()
    ) -> KubeClient {
        KubeClient(address(credential, authority: authority), userAgent: "test", limits: limits)
    }

    var received: [Received] { state.state.withLock(\.received) }
    var connections: Int { state.state.withLock(\.connections) }
    var openConnections: Int { state.state.withLock(\.openConnections) }
    var peakConnections: Int { state.state.withLock(\.peakConnections) }
    var streams: Int { state.state.withLock(\.streams.count) }

    /// Sends a chunk to each stream.
    func push(_ text: String) {
        guard case .bytes(let bytes) = Step.chunk(text) else { return }
        for channel in state.state.withLock(\.streams) {
            channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        }
    }

    /// Ends all streams, as they should end or in the middle.
    func endStreams(cut: Bool = false) {
        let channels = state.state.withLock { state in
            defer { state.streams = [] }
            return state.streams
        }
        for channel in channels {
            if cut {
                channel.close(promise: nil)
            } else {
                channel.writeAndFlush(ByteBuffer(string: "0\r\n\r\n"), promise: nil)
            }
        }
    }
}

private final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let number: Int
    private let answer: (ScriptedServer.Received, any Channel) -> Void
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var peer: String?

    init(_ number: Int, _ answer: @escaping (ScriptedServer.Received, any Channel) -> Void) {
        self.number = number
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let more): body += more.readableBytesView
        case .end:
            guard let head else { return }
            let parts = head.uri.split(separator: "?", maxSplits: 1).map(String.init)
            var query: [String: String] = [:]
            for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
                let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                query[String(sides[0])] = sides.count > 1 ? String(sides[1]) : ""
            }
            answer(
                ScriptedServer.Received(
                    method: head.method.rawValue, path: parts[0], query: query, headers: head.headers,
                    body: String(decoding: body, as: UTF8.self), index: 0, connection: number, peer: peer),
                context.channel)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let done = event as? TLSHandshakeDone { peer = done.peer?.commonName }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Waits until something is so, by asking again and again.
func eventually(
    _ what: String, within limit: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation,
    _ isSo: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if try await isSo() { return }
        try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("not in time: \(what)", sourceLocation: sourceLocation)
}

/// The error that something throws.
func failure(_ body: () async throws -> some Any) async -> KubeClientError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? KubeClientError
    }
}

extension KubeClientError {
    var kind: String {
        switch self {
        case .unreachable: "unreachable"
        case .tls: "tls"
        case .timedOut: "timedOut"
        case .refused: "refused"
        case .malformed: "malformed"
        }
    }
}
