import HTTPWire
import NIOCore
internal import NIOHTTP1
import NIOPosix
import NetAddress
import Policy

/// The connection with the client. Requests arrive one at a time and are judged. Each is passed to the server or
/// answered here.
final class ClientSide: ChannelInboundHandler, @unchecked Sendable {
    // This is unchecked because this handler, the server's side and every callback run on the one event loop of the
    // client's channel.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let settings: RequestProxy.Settings
    private let judge: RequestProxy.Judge
    private let connection: ProxiedConnection
    private var context: ChannelHandlerContext?
    private var server: Server = .none
    private var request = Request.none
    /// The head of a response was written, so no other response may begin.
    private var isAnswering = false
    private var endsAfterResponse = false
    /// The last response is being written. The connection ends after it.
    private var isEnding = false
    private var headTimer: Scheduled<Void>?

    private enum Server {
        case none
        case connecting(waiting: [HTTPClientRequestPart])
        case connected(any Channel)
    }

    /// How far the request that is being answered has come.
    private enum Request { case none, passing, refused, passed }

    /// Bodies pass through unread, and so are not limited.
    private static let limits = HTTPWire.Limits(head: 65_536, body: .max)

    static func install(
        on channel: any Channel, _ settings: RequestProxy.Settings, _ judge: @escaping RequestProxy.Judge
    ) throws {
        var encoding = HTTPResponseEncoder.Configuration()
        // The server's own framing is passed on unchanged.
        encoding.automaticallySetFramingHeaders = false
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(IdleStateHandler(allTimeout: settings.idleTimeout))
        try pipeline.addHandler(HTTPResponseEncoder(configuration: encoding))
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits.decoder)))
        try pipeline.addHandler(HTTPServerPipelineHandler())
        try pipeline.addHandler(try ClientSide(settings, judge, ProxiedConnection(channel)))
    }

    private init(
        _ settings: RequestProxy.Settings, _ judge: @escaping RequestProxy.Judge, _ connection: ProxiedConnection
    ) {
        self.settings = settings
        self.judge = judge
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        expectHead(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            headTimer?.cancel()
            begin(head, context)
        case .body(let buffer):
            if request == .passing { pass(.body(.byteBuffer(buffer)), context) }
        case .end:
            switch request {
            case .passing:
                request = .passed
                pass(.end(nil), context)
            case .refused:
                request = .none
                finish(context)
            case .none, .passed: break
            }
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        endsAfterResponse = !head.isKeepAlive
        if let mistake = RequestHeadCheck.mistake(head) {
            return answer(.badRequest, mistake, context)
        }
        if head.method == .CONNECT { return answer(.notImplemented, "CONNECT is not passed on", context) }
        guard judge(RequestHeadCheck.facts(head), connection) else {
            return refuse(head, context)
        }
        request = .passing
        pass(.head(RequestHeadCheck.forwarded(head)), context)
    }

    /// Answers 403 and keeps the connection. A body is read and thrown away.
    private func refuse(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        request = .refused
        isAnswering = true
        write(.forbidden, "Access denied", keepsAlive: head.isKeepAlive, version: head.version, context)
    }

    /// Sends an answer of the proxy's own, and ends the connection.
    private func answer(_ status: HTTPResponseStatus, _ text: String, _ context: ChannelHandlerContext) {
        guard !isAnswering else { return end(context) }
        isAnswering = true
        endsAfterResponse = true
        request = .none
        write(status, text, keepsAlive: false, version: .http1_1, context)
        finish(context)
    }

    private func write(
        _ status: HTTPResponseStatus, _ text: String, keepsAlive: Bool, version: HTTPVersion,
        _ context: ChannelHandlerContext
    ) {
        let body = context.channel.allocator.buffer(string: text + "\r\n")
        var headers = HTTPHeaders([
            ("content-type", "text/plain"), ("content-length", "\(body.readableBytes)"), ("server", "labrun"),
        ])
        if !keepsAlive {
            headers.add(name: "connection", value: "close")
        } else if version == .http1_0 {
            headers.add(name: "connection", value: "keep-alive")
        }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }

    /// Ends the response that was written.
    private func finish(_ context: ChannelHandlerContext) {
        let ends = endsAfterResponse
        isAnswering = false
        let written = context.eventLoop.makePromise(of: Void.self)
        if ends {
            isEnding = true
            let bound = context.loopBound
            written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        } else {
            expectHead(context)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    private func expectHead(_ context: ChannelHandlerContext) {
        headTimer?.cancel()
        let bound = context.loopBound
        headTimer = context.eventLoop.scheduleTask(in: settings.headTimeout) { [weak self] in
            guard let self, case .none = self.request, !self.isAnswering else { return }
            bound.value.close(promise: nil)
        }
    }

    private func end(_ context: ChannelHandlerContext) { context.close(promise: nil) }

    // MARK: The server

    private func pass(_ part: HTTPClientRequestPart, _ context: ChannelHandlerContext) {
        switch server {
        case .connected(let channel):
            channel.write(part, promise: nil)
            channel.flush()
        case .connecting(let waiting): server = .connecting(waiting: waiting + [part])
        case .none:
            server = .connecting(waiting: [part])
            reads(false, context)
            if case .client = settings.side {
                connect(context, from: 0)
            } else {
                connect(context, from: connection.clientPort)
            }
        }
    }

    /// Connects under the client's address, and its port unless the same two ends use that already.
    private func connect(_ context: ChannelHandlerContext, from port: UInt16) {
        let bound = context.loopBound
        do {
            var bootstrap = ClientBootstrap(group: context.eventLoop)
                .connectTimeout(settings.connectTimeout)
                .channelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try ServerSide.install(on: channel, client: bound.value, self)
                        try OwnConnection.install(on: channel, self.settings.side)
                    }
                }
            if settings.fixedServer == nil {
                bootstrap = bootstrap.channelOption(SocketOptions.transparent, value: 1)
                if case .server = settings.side {
                    bootstrap =
                        bootstrap
                        .channelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                        .channelOption(SocketOptions.mark, value: .init(settings.mark))
                }
            }
            // In a test, the proxy, its servers and its clients are all on the loopback interface.
            if settings.fixedServer == nil || settings.side.isClient {
                bootstrap = bootstrap.bind(
                    to: try SocketAddress(ipAddress: connection.client.description, port: Int(port)))
            }
            let (server, serverPort) = settings.fixedServer ?? (connection.server, connection.serverPort)
            let target = try SocketAddress(ipAddress: server.description, port: Int(serverPort))
            bootstrap.connect(to: target).whenComplete { result in self.connected(result, from: port) }
        } catch {
            connected(.failure(error), from: port)
        }
    }

    private func connected(_ result: Result<any Channel, any Error>, from port: UInt16) {
        guard let context else {
            if case .success(let channel) = result { channel.close(promise: nil) }
            return
        }
        guard case .connecting(let waiting) = server else {
            // The client has gone in the meantime.
            if case .success(let channel) = result { channel.close(promise: nil) }
            return
        }
        switch result {
        case .success(let channel):
            server = .connected(channel)
            for part in waiting { channel.write(part, promise: nil) }
            channel.flush()
            reads(channel.isWritable, context)
        case .failure(let error):
            let code = (error as? IOError)?.errnoCode
            if port != 0, !settings.side.isClient, code == EADDRINUSE || code == EADDRNOTAVAIL {
                return connect(context, from: 0)
            }
            server = .none
            reads(true, context)
            answer(.serviceUnavailable, "the server cannot be reached", context)
        }
    }

    /// Reads from the client, or stops reading so that TCP's window holds the client back.
    func reads(_ flag: Bool, _ context: ChannelHandlerContext) {
        context.channel.setOption(ChannelOptions.autoRead, value: flag).whenFailure { _ in }
        if flag { context.read() }
    }

    // MARK: Called by the server's side

    func received(_ part: HTTPClientResponsePart) {
        guard let context else { return }
        switch part {
        case .head(let head):
            if head.status == .switchingProtocols { return end(context) }
            if (100..<200).contains(head.status.code) {
                context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
                return
            }
            isAnswering = true
            // A response without a length ends with its connection.
            if !head.isKeepAlive || head.isDelimitedByClose { endsAfterResponse = true }
            var head = head
            RequestHeadCheck.stripHops(&head.headers, version: head.version, keepsAlive: !endsAfterResponse)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        case .body(let buffer):
            context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        case .end:
            // The answer came before the end of the request. The rest of the request then has no receiver.
            if request == .passing { endsAfterResponse = true }
            request = .none
            finish(context)
        }
    }

    func receivedAll() { context?.flush() }

    /// Called when the connection with the server is over.
    func serverEnded(_ isMalformed: Bool) {
        guard let context else { return }
        server = .none
        if isEnding { return }
        if request != .none, !isAnswering {
            return answer(
                .badGateway, isMalformed ? "the server's answer is not HTTP" : "the server ended the connection",
                context)
        }
        end(context)
    }

    func serverIsWritable(_ flag: Bool) {
        guard let context else { return }
        reads(flag, context)
    }

    // MARK: The client's connection

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .connected(let channel) = server {
            channel.setOption(ChannelOptions.autoRead, value: context.channel.isWritable).whenFailure { _ in }
            if context.channel.isWritable { channel.read() }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            // If the client waits for an answer, the connection ends after that.
            if request == .none, !isAnswering { end(context) } else { endsAfterResponse = true }
            return
        }
        if event is IdleStateHandler.IdleStateEvent { return end(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError, request == .none {
            answer(.badRequest, "not an HTTP request that has one meaning", context)
        } else {
            end(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        headTimer?.cancel()
        if case .connected(let channel) = server { channel.close(promise: nil) }
        server = .none
        context.fireChannelInactive()
    }
}

extension HTTPResponseHead {
    /// RFC 9112, section 6.3, rule 8. It is safe to apply it to the answer to a HEAD request, too.
    fileprivate var isDelimitedByClose: Bool {
        !headers.contains(name: "content-length") && !headers.contains(name: "transfer-encoding")
            && status != .noContent && status != .notModified
    }
}
