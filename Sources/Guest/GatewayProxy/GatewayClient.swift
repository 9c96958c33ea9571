import GatewayRoutes
import HTTPWire
import NIOCore
import NIOHTTP1
import NIOPosix
import RequestProxy

/// The connection with a client. Requests arrive one at a time. Each is answered here, or passed to a pod over a
/// connection of its own.
final class GatewayClient: ChannelInboundHandler, @unchecked Sendable {
    // This is unchecked because this handler, the pod's side and every callback run on the one event loop of the
    // client's channel.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let port: UInt16
    private let knowledge: GatewayProxy.Knowledge
    private var context: ChannelHandlerContext?
    private var request = Request.none
    private var backend = Backend.none
    /// What answers of the present request's rule are given.
    private var responseHeaders: GatewayTable.HeaderChange?
    /// The head of a response was written, so no other response may begin.
    private var isAnswering = false
    private var endsAfterResponse = false

    /// How far the request that is being answered has come.
    private enum Request { case none, passing, answered, passed }

    private enum Backend {
        case none
        case connecting(waiting: [HTTPClientRequestPart])
        case connected(any Channel)
    }

    private static let idleTimeout = TimeAmount.minutes(5)
    private static let connectTimeout = TimeAmount.seconds(5)
    /// Bodies pass through unread, and so are not limited.
    private static let limits = HTTPWire.Limits(head: 65_536, body: .max)

    static func install(on channel: any Channel, port: UInt16, _ knowledge: GatewayProxy.Knowledge) throws {
        var encoding = HTTPResponseEncoder.Configuration()
        // The pod's own framing is passed on unchanged.
        encoding.automaticallySetFramingHeaders = false
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(IdleStateHandler(allTimeout: idleTimeout))
        try pipeline.addHandler(HTTPResponseEncoder(configuration: encoding))
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits.decoder)))
        try pipeline.addHandler(HTTPServerPipelineHandler())
        try pipeline.addHandler(GatewayClient(port: port, knowledge))
    }

    private init(port: UInt16, _ knowledge: GatewayProxy.Knowledge) {
        self.port = port
        self.knowledge = knowledge
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(let buffer): if request == .passing { pass(.body(.byteBuffer(buffer))) }
        case .end:
            switch request {
            case .passing:
                request = .passed
                pass(.end(nil))
            case .answered:
                request = .none
                finish(context)
            case .none, .passed: break
            }
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        endsAfterResponse = !head.isKeepAlive
        responseHeaders = nil
        if let mistake = RequestHeadCheck.mistake(head) { return refuse(.badRequest, mistake, context) }
        if head.method == .CONNECT { return refuse(.notImplemented, "CONNECT is not passed on", context) }
        let asked = RouteRequest(
            method: head.method.rawValue, target: head.uri, host: head.headers.first(name: "host") ?? "",
            headers: head.headers.map { ($0.name, $0.value) })
        guard let known = knowledge.port(port), let rule = known.table.rule(at: known.listener, for: asked) else {
            return answer(.notFound, "no route", head, context)
        }
        responseHeaders = rule.responseHeaders
        switch rule.outcome(of: asked, draw: { Int.random(in: 0..<$0) }) {
        case .answer(let status, let location):
            let text = location == nil ? "route \(rule.route) has no valid backend" : ""
            answer(.init(statusCode: status), text, location: location, head, context)
        case .backend(let backend):
            guard let endpoint = knowledge.endpoint(of: backend) else {
                return answer(.serviceUnavailable, "service \(backend.key) has no pod that is ready", head, context)
            }
            request = .passing
            connect(to: endpoint, context)
            pass(.head(forwarded(head, rule, context)))
        }
    }

    /// The head as the pod gets it.
    private func forwarded(
        _ head: HTTPRequestHead, _ rule: GatewayTable.Rule, _ context: ChannelHandlerContext
    ) -> HTTPRequestHead {
        var head = head
        head.uri = rule.rewritten(head.uri)
        if let name = rule.rewrite?.hostname { head.headers.replaceOrAdd(name: "Host", value: name) }
        RequestHeadCheck.stripHops(&head.headers, version: .http1_1, keepsAlive: false)
        rule.requestHeaders?.apply(to: &head.headers)
        if let caller = context.remoteAddress?.ipAddress {
            let before = head.headers["x-forwarded-for"].joined(separator: ", ")
            head.headers.replaceOrAdd(
                name: "X-Forwarded-For", value: before.isEmpty ? caller : "\(before), \(caller)")
        }
        head.headers.replaceOrAdd(name: "X-Forwarded-Proto", value: "http")
        head.version = .http1_1
        return head
    }

    // MARK: Answers of the proxy's own

    /// Answers, and keeps the connection as the client wants it. A body is read and thrown away.
    private func answer(
        _ status: HTTPResponseStatus, _ text: String, location: String? = nil, _ head: HTTPRequestHead,
        _ context: ChannelHandlerContext
    ) {
        request = .answered
        isAnswering = true
        write(status, text, location: location, isHead: head.method == .HEAD, version: head.version, context)
    }

    /// Sends an answer and ends the connection.
    private func refuse(_ status: HTTPResponseStatus, _ text: String, _ context: ChannelHandlerContext) {
        guard !isAnswering else { return context.close(promise: nil) }
        isAnswering = true
        endsAfterResponse = true
        request = .none
        write(status, text, context)
        finish(context)
    }

    private func write(
        _ status: HTTPResponseStatus, _ text: String, location: String? = nil, isHead: Bool = false,
        version: HTTPVersion = .http1_1, _ context: ChannelHandlerContext
    ) {
        let body = context.channel.allocator.buffer(string: text.isEmpty ? "" : text + "\r\n")
        var headers = HTTPHeaders([
            ("content-type", "text/plain"), ("content-length", "\(body.readableBytes)"), ("server", "labrun"),
        ])
        if let location { headers.add(name: "location", value: location) }
        responseHeaders?.apply(to: &headers)
        RequestHeadCheck.stripHops(&headers, version: version, keepsAlive: !endsAfterResponse)
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if !isHead, body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
    }

    /// Ends the response that was written.
    private func finish(_ context: ChannelHandlerContext) {
        isAnswering = false
        let written = context.eventLoop.makePromise(of: Void.self)
        if endsAfterResponse {
            let bound = context.loopBound
            written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    // MARK: The pod

    private func pass(_ part: HTTPClientRequestPart) {
        switch backend {
        case .connected(let channel): channel.writeAndFlush(part, promise: nil)
        case .connecting(let waiting): backend = .connecting(waiting: waiting + [part])
        case .none: break
        }
    }

    private func connect(to endpoint: GatewayProxy.Endpoint, _ context: ChannelHandlerContext) {
        backend = .connecting(waiting: [])
        reads(false, context)
        do {
            let target = try SocketAddress(ipAddress: endpoint.address.description, port: Int(endpoint.port))
            ClientBootstrap(group: context.eventLoop)
                .connectTimeout(Self.connectTimeout)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try GatewayBackend.install(on: channel, client: self) }
                }
                .connect(to: target).whenComplete { result in self.connected(result) }
        } catch {
            connected(.failure(error))
        }
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        guard let context, case .connecting(let waiting) = backend else {
            // The client has gone in the meantime.
            if case .success(let channel) = result { channel.close(promise: nil) }
            return
        }
        switch result {
        case .success(let channel):
            backend = .connected(channel)
            for part in waiting { channel.write(part, promise: nil) }
            channel.flush()
            reads(channel.isWritable, context)
        case .failure:
            backend = .none
            reads(true, context)
            refuse(.serviceUnavailable, "the pod cannot be reached", context)
        }
    }

    /// Reads from the client, or stops reading so that TCP's window holds the client back.
    private func reads(_ flag: Bool, _ context: ChannelHandlerContext) {
        context.channel.setOption(ChannelOptions.autoRead, value: flag).whenFailure { _ in }
        if flag { context.read() }
    }

    // MARK: Called by the pod's side

    func received(_ part: HTTPClientResponsePart, from channel: any Channel) {
        guard let context, isOf(channel) else { return }
        switch part {
        case .head(let head):
            if head.status == .switchingProtocols { return context.close(promise: nil) }
            if (100..<200).contains(head.status.code) {
                context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
                return
            }
            isAnswering = true
            // A response without a length ends with its connection.
            if head.isDelimitedByClose { endsAfterResponse = true }
            var head = head
            head.version = .http1_1
            responseHeaders?.apply(to: &head.headers)
            RequestHeadCheck.stripHops(&head.headers, version: .http1_1, keepsAlive: !endsAfterResponse)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        case .body(let buffer):
            context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        case .end:
            // The answer came before the end of the request. The rest of the request then has no receiver.
            if request == .passing { endsAfterResponse = true }
            request = .none
            backend = .none
            channel.close(promise: nil)
            reads(true, context)
            finish(context)
        }
    }

    func receivedAll() { context?.flush() }

    /// Called when the connection with the pod is over.
    func ended(_ channel: any Channel, isMalformed: Bool) {
        guard let context, isOf(channel) else { return }
        backend = .none
        if request != .none, !isAnswering {
            return refuse(
                .badGateway, isMalformed ? "the pod's answer is not HTTP" : "the pod ended the connection", context)
        }
        context.close(promise: nil)
    }

    func isWritable(_ channel: any Channel, _ flag: Bool) {
        guard let context, isOf(channel) else { return }
        reads(flag, context)
    }

    private func isOf(_ channel: any Channel) -> Bool {
        if case .connected(let own) = backend { own === channel } else { false }
    }

    // MARK: The client's connection

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .connected(let channel) = backend {
            channel.setOption(ChannelOptions.autoRead, value: context.channel.isWritable).whenFailure { _ in }
            if context.channel.isWritable { channel.read() }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            // If the client waits for an answer, the connection ends after that.
            if request == .none, !isAnswering { context.close(promise: nil) } else { endsAfterResponse = true }
            return
        }
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError, request == .none {
            refuse(.badRequest, "not an HTTP request that has one meaning", context)
        } else {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .connected(let channel) = backend { channel.close(promise: nil) }
        backend = .none
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

extension GatewayTable.HeaderChange {
    func apply(to headers: inout HTTPHeaders) {
        for header in set { headers.replaceOrAdd(name: header.name, value: header.value) }
        for header in add { headers.add(name: header.name, value: header.value) }
        for name in remove { headers.remove(name: name) }
    }
}
