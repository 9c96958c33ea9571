import Kubelet
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS

/// Probes over the network, in the words of Go's net and net/http, which users know from events.
enum NetworkProbe {
    /// How much of an answer's body is read for a message (pkg/probe/http).
    static let bodyLimit = 10 << 10

    /// Connects and closes.
    static func tcp(host: String, port: UInt16, within limit: Duration) async -> ProbeOutcome {
        let address = Self.text(host, port)
        do {
            let channel = try await bootstrap(within: limit).connect(to: try Self.address(host, port)).get()
            try? await channel.close()
            return .success
        } catch {
            return .failure("dial tcp \(address): \(Self.words(error))")
        }
    }

    /// Sends a GET and answers by the status.
    static func http(
        isTLS: Bool, host: String, port: UInt16, path: String, headers: [[String]], within limit: Duration
    ) async -> ProbeOutcome {
        let address = Self.text(host, port)
        let path = path.hasPrefix("/") ? path : "/" + path
        let url = "\(isTLS ? "https" : "http")://\(address)\(path)"
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
        head.headers.add(name: "Host", value: address)
        head.headers.add(name: "User-Agent", value: "kube-probe/1.20")
        head.headers.add(name: "Accept-Encoding", value: "gzip")
        head.headers.add(name: "Connection", value: "close")
        for header in headers where header.count == 2 { head.headers.replaceOrAdd(name: header[0], value: header[1]) }
        let request = head
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: HTTPStatus.self)
        let timeout = loop.scheduleTask(in: .nanoseconds(limit.wholeNanoseconds)) { answer.fail(ProbeTimeout()) }
        defer { timeout.cancel() }
        do {
            let channel: any Channel
            do {
                channel = try await bootstrap(loop, within: limit).channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if isTLS { try channel.pipeline.syncOperations.addHandler(try Self.tls()) }
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(ProbeExchange(request, answer))
                    }
                }.connect(to: try Self.address(host, port)).get()
            } catch {
                answer.fail(error)
                if error is ChannelError { throw ProbeTimeout() }
                return .failure("Get \"\(url)\": dial tcp \(address): \(Self.words(error))")
            }
            defer { channel.close(promise: nil) }
            let status = try await answer.futureResult.get()
            guard (200..<400).contains(status.code) else {
                return .failure("HTTP probe failed with statuscode: \(status.code)")
            }
            return .success
        } catch is ProbeTimeout {
            return .failure(
                "Get \"\(url)\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        } catch {
            return .failure("Get \"\(url)\": \(Self.words(error))")
        }
    }

    private static func bootstrap(
        _ loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next(), within limit: Duration
    ) -> ClientBootstrap {
        ClientBootstrap(group: loop).connectTimeout(.nanoseconds(limit.wholeNanoseconds))
    }

    /// A kubelet believes whoever answers a probe.
    private static func tls() throws -> TLSHandler {
        try TLSHandler(client: try TLSContext(clientTrusting: nil), address: nil)
    }

    /// - Throws: `NoSuchHost` for a name: nodes look none up.
    private static func address(_ host: String, _ port: UInt16) throws -> SocketAddress {
        do {
            return try SocketAddress(ipAddress: host, port: Int(port))
        } catch {
            throw NoSuchHost(name: host)
        }
    }

    static func text(_ host: String, _ port: UInt16) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    static func words(_ error: any Error) -> String {
        switch error {
        case let error as NoSuchHost: "lookup \(error.name): no such host"
        case is ChannelError, is ProbeTimeout: "i/o timeout"
        case is ConnectionEnded: "EOF"
        case is HTTPParserError: "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
        case let error as IOError:
            switch error.errnoCode {
            case 111: "connect: connection refused"
            case 113: "connect: no route to host"
            case 101: "connect: network is unreachable"
            case 104: "read: connection reset by peer"
            case 110: "connect: connection timed out"
            default: "\(error)"
            }
        default: "\(error)"
        }
    }
}

struct HTTPStatus: Sendable {
    var code: Int
    var body: String
}

private struct ProbeTimeout: Error {}
private struct ConnectionEnded: Error {}
private struct NoSuchHost: Error { let name: String }

/// One request and its answer.
private final class ProbeExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let answer: EventLoopPromise<HTTPStatus>
    private var code: Int?
    private var body: [UInt8] = []
    private var isDone = false

    init(_ head: HTTPRequestHead, _ answer: EventLoopPromise<HTTPStatus>) {
        self.head = head
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): code = Int(head.status.code)
        case .body(let part):
            body += part.readableBytesView.prefix(NetworkProbe.bodyLimit - body.count)
            if body.count >= NetworkProbe.bodyLimit { finish(context) }
        case .end: finish(context)
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard !isDone, let code else { return }
        isDone = true
        answer.succeed(HTTPStatus(code: code, body: String(decoding: body, as: UTF8.self)))
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isDone { answer.fail(error) }
        isDone = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isDone { answer.fail(ConnectionEnded()) }
        isDone = true
        context.fireChannelInactive()
    }
}
