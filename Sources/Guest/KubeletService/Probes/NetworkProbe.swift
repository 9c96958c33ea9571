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

    /// More redirects are an error, as Go's client has it.
    private static let redirectLimit = 10

    /// Sends a GET and answers by the status. A redirect is followed while it stays at the same host, as a kubelet does
    /// (pkg/probe/http); one to another host is a success with a warning.
    static func http(
        isTLS: Bool, host: String, port: UInt16, path: String, headers: [[String]], within limit: Duration
    ) async -> ProbeOutcome {
        let end = ContinuousClock.now + limit
        var place = ProbePlace(isTLS: isTLS, host: host, port: port, path: path.hasPrefix("/") ? path : "/" + path)
        for _ in 0..<redirectLimit {
            let status: HTTPStatus
            switch await get(place, headers, within: end - ContinuousClock.now) {
            case .answered(let answer): status = answer
            case .failed(let words): return .failure("Get \"\(place.url)\": \(words)")
            }
            guard (200..<400).contains(status.code) else {
                return .failure("HTTP probe failed with statuscode: \(status.code)")
            }
            guard ProbePlace.redirects.contains(status.code) else {
                return status.code < 300
                    ? .success : .warning("Probe terminated redirects, Response body: \(status.body)")
            }
            guard let location = status.location, !location.isEmpty else {
                // 307 and 308 say what is to be asked again, and without a place nothing is.
                guard status.code < 304 else {
                    return .warning("Probe terminated redirects, Response body: \(status.body)")
                }
                return .failure("Get \"\(place.url)\": \(status.code) response missing Location header")
            }
            guard let next = place.following(location) else {
                return .failure("Get \"\(place.url)\": failed to parse Location header \"\(location)\"")
            }
            guard next.host == host else {
                return .warning("Probe terminated redirects, Response body: \(status.body)")
            }
            place = next
        }
        return .failure("Get \"\(place.url)\": stopped after \(redirectLimit) redirects")
    }

    private enum Exchange {
        case answered(HTTPStatus)
        /// What went wrong, in Go's words.
        case failed(String)
    }

    private static func get(_ place: ProbePlace, _ headers: [[String]], within limit: Duration) async -> Exchange {
        let address = text(place.host, place.port)
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: place.path)
        head.headers.add(name: "Host", value: address)
        head.headers.add(name: "User-Agent", value: "kube-probe/1.20")
        head.headers.add(name: "Accept-Encoding", value: "gzip")
        head.headers.add(name: "Connection", value: "close")
        for header in headers where header.count == 2 { head.headers.replaceOrAdd(name: header[0], value: header[1]) }
        let request = head
        let limit = max(.milliseconds(1), limit)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: HTTPStatus.self)
        let timeout = loop.scheduleTask(in: .nanoseconds(limit.wholeNanoseconds)) { answer.fail(ProbeTimeout()) }
        defer { timeout.cancel() }
        do {
            let channel: any Channel
            do {
                channel = try await bootstrap(loop, within: limit).channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if place.isTLS { try channel.pipeline.syncOperations.addHandler(try Self.tls()) }
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(ProbeExchange(request, answer))
                    }
                }.connect(to: try Self.address(place.host, place.port)).get()
            } catch {
                answer.fail(error)
                if error is ChannelError { throw ProbeTimeout() }
                return .failed("dial tcp \(address): \(Self.words(error))")
            }
            defer { channel.close(promise: nil) }
            return .answered(try await answer.futureResult.get())
        } catch is ProbeTimeout {
            return .failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        } catch {
            return .failed(words(error))
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
    /// Where a redirect leads.
    var location: String?
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
    private var location: String?
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
        case .head(let head):
            code = Int(head.status.code)
            location = head.headers.first(name: "Location")
        case .body(let part):
            body += part.readableBytesView.prefix(NetworkProbe.bodyLimit - body.count)
            if body.count >= NetworkProbe.bodyLimit { finish(context) }
        case .end: finish(context)
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard !isDone, let code else { return }
        isDone = true
        answer.succeed(HTTPStatus(code: code, body: String(decoding: body, as: UTF8.self), location: location))
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
