import NIOCore
import NIOHTTP1

/// Takes the requests of one connection, one at a time, and has each answered by a task.
final class RequestHandler: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    // Unchecked: everything below runs on the channel's event loop; answers come here by it.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Bytes of a request's body, which nobody reads.
    private static let bodyLimit = 1 << 20
    /// The time from a connection's first byte, or the end of an answer, to the next whole request.
    private static let requestTime = TimeAmount.seconds(90)

    private let routes: Routes
    private let identify: @Sendable (any Channel) -> PeerIdentity?
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body = 0
    private var task: Task<Void, Never>?
    private var timer: Scheduled<Void>?
    /// Why the connection was not given over to streams, which the request's answer says.
    private var refusal: KubeletRefusal?

    init(_ routes: Routes, identify: @escaping @Sendable (any Channel) -> PeerIdentity?) {
        self.routes = routes
        self.identify = identify
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        expectRequest(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { closed() }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let refusal = error as? KubeletRefusal { self.refusal = refusal } else { context.close(promise: nil) }
    }

    private func closed() {
        context = nil
        timer?.cancel()
        task?.cancel()
    }

    private func expectRequest(_ context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: Self.requestTime) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = 0
        case .body(let bytes):
            body += bytes.readableBytes
            if body > Self.bodyLimit { context.close(promise: nil) }
        case .end:
            guard let head else { return }
            self.head = nil
            timer?.cancel()
            let answer = HTTPAnswer(self, on: context.eventLoop, head)
            let identity = identify(context.channel)
            task = Task { [routes, refusal] in
                if let refusal {
                    await answer.refuse(refusal)
                } else {
                    await routes.answer(head, from: identity, answer)
                }
            }
            refusal = nil
        }
    }

    // MARK: Answers

    fileprivate func write(_ part: HTTPServerResponsePart) -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        return context.writeAndFlush(wrapOutboundOut(part))
    }

    fileprivate func finish(keepsAlive: Bool) {
        guard let context else { return }
        task = nil
        let channel = context.channel
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if keepsAlive {
            expectRequest(context)
        } else {
            written.whenComplete { _ in channel.close(promise: nil) }
        }
    }
}

/// The answer to one request. Its methods may be called from any task, one after the other.
struct HTTPAnswer: Sendable {
    private let handler: RequestHandler
    private let loop: any EventLoop
    private let version: HTTPVersion
    private let keepsAlive: Bool

    fileprivate init(_ handler: RequestHandler, on loop: any EventLoop, _ head: HTTPRequestHead) {
        self.handler = handler
        self.loop = loop
        version = head.version
        keepsAlive = head.isKeepAlive && head.version == .http1_1
    }

    /// Answers as a whole.
    func send(_ type: String, _ body: [UInt8], status: Int = 200) async {
        do {
            try await begin(type, status: status, length: body.count)
            try await write(body)
        } catch { return }
        await end()
    }

    func refuse(_ refusal: KubeletRefusal) async {
        await send("text/plain; charset=utf-8", Array(refusal.message.utf8), status: refusal.status)
    }

    /// Begins an answer whose length is not known, unless it is given.
    func begin(_ type: String, status: Int = 200, length: Int? = nil) async throws {
        var headers = HTTPHeaders([("Content-Type", type)])
        if let length { headers.add(name: "Content-Length", value: "\(length)") }
        if !keepsAlive { headers.add(name: "Connection", value: "close") }
        try await write(.head(HTTPResponseHead(version: version, status: .init(statusCode: status), headers: headers)))
    }

    /// Returns when the connection has taken the bytes.
    func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
    }

    func end() async {
        try? await loop.submit { [handler, keepsAlive] in handler.finish(keepsAlive: keepsAlive) }.get()
    }

    private func write(_ part: sending HTTPServerResponsePart) async throws {
        let part = NIOLoopBoundBox.makeBoxSendingValue(part, eventLoop: loop)
        try await loop.flatSubmit { [handler, loop] in
            handler.write(part.value) ?? loop.makeFailedFuture(ConnectionEnded())
        }.get()
    }
}
