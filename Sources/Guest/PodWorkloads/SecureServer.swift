import LinuxKernel
import NIOCore
import NIOHTTP1
import NIOPosix
public import Prober
import Synchronization
import TLS

/// Serves HTTPS for workloads, at sockets that were opened in their network namespaces. One thread serves all.
public final class SecureServer: Sendable {
    /// More connections of one workload are closed at once.
    static let connectionLimit = 256
    /// Bytes of a request's body: as large as the largest object that an API server sends to a webhook.
    static let bodyLimit = 3 << 20
    /// The time from a connection's beginning, or the end of an answer, to the next whole request.
    static let requestTime = TimeAmount.seconds(90)

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    public init() {}

    /// A workload's listeners. They end with `close`.
    public final class Listeners: Sendable {
        fileprivate let channels: [any Channel]
        fileprivate let open: OpenConnections

        fileprivate init(_ channels: [any Channel], _ open: OpenConnections) {
            self.channels = channels
            self.open = open
        }

        /// Stops to listen, and ends all connections.
        public func close() {
            for channel in channels { channel.close(promise: nil) }
            open.close()
        }
    }

    /// Begins to serve.
    ///
    /// - Parameters:
    ///   - sockets: Listening sockets, which are the server's from now on.
    ///   - chainPEM: The certificate, and those between it and its authority.
    /// - Throws: `TLSError` for what cannot be read; the error of a socket that cannot be served. The sockets are
    ///   closed then.
    public func serve(
        _ sockets: [Int32], chainPEM: String, keyPEM: String, answer: @escaping WebReceiver
    ) throws -> Listeners {
        var rest = sockets[...]
        defer { for socket in rest { _ = FileDescriptor(owning: socket) } }
        let context = try TLSContext(serverChainPEM: chainPEM, keyPEM: keyPEM, clientAuthorityPEM: nil)
        let open = OpenConnections(limit: Self.connectionLimit)
        var channels: [any Channel] = []
        while let socket = rest.popFirst() {
            do {
                channels.append(try bootstrap(context, open, answer).withBoundSocket(socket).wait())
            } catch {
                Listeners(channels, open).close()
                throw error
            }
        }
        return Listeners(channels, open)
    }

    private func bootstrap(
        _ context: TLSContext, _ open: OpenConnections, _ answer: @escaping WebReceiver
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard open.enter(channel) else { throw ChannelError.eof }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(server: context))
                    var limits = NIOHTTPDecoderLimitConfiguration()
                    limits.maxHeaderFieldSize = 16_384
                    limits.maxHeaderListSize = 65_536
                    limits.maxHeaderFieldCount = 100
                    try pipeline.configureHTTPServerPipeline(
                        withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
                    try pipeline.addHandler(SecureRequests(answer))
                }
            }
    }
}

/// The connections that are open, up to a limit.
private final class OpenConnections: Sendable {
    private let limit: Int
    private let state = Mutex<(channels: [ObjectIdentifier: any Channel], isClosed: Bool)>(([:], false))

    init(limit: Int) { self.limit = limit }

    func enter(_ channel: any Channel) -> Bool {
        let key = ObjectIdentifier(channel)
        let isIn = state.withLock { state in
            guard !state.isClosed, state.channels.count < limit else { return false }
            state.channels[key] = channel
            return true
        }
        if isIn { channel.closeFuture.whenComplete { _ in self.state.withLock { $0.channels[key] = nil } } }
        return isIn
    }

    func close() {
        let channels = state.withLock { state in
            state.isClosed = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }
}

/// Takes the requests of one connection, one at a time.
final class SecureRequests: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: WebReceiver
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var timer: Scheduled<Void>?

    init(_ answer: @escaping WebReceiver) { self.answer = answer }

    func handlerAdded(context: ChannelHandlerContext) { expectRequest(context) }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func expectRequest(_ context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: SecureServer.requestTime) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let bytes):
            guard body.count + bytes.readableBytes <= SecureServer.bodyLimit else {
                return context.close(promise: nil)
            }
            body += bytes.readableBytesView
        case .end:
            guard let head else { return }
            timer?.cancel()
            self.head = nil
            let address = context.remoteAddress
            let peer = "\(address?.ipAddress ?? ""):\(address?.port ?? 0)"
            let made = answer(WebRequest(head, body: body, peer: peer))
            body = []
            guard made.delay > .zero else { return write(made, to: head, peer, context) }
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let delay = min(made.delay, WebAnswer.longestDelay).components
            context.eventLoop.scheduleTask(
                in: .nanoseconds(delay.seconds * 1_000_000_000 + delay.attoseconds / 1_000_000_000)
            ) {
                let (handler, context) = bound.value
                handler.write(made, to: head, peer, context)
            }
        }
    }

    private func write(
        _ answer: WebAnswer, to request: HTTPRequestHead, _ peer: String, _ context: ChannelHandlerContext
    ) {
        var head = answer.head(to: request, peer: peer)
        // The connection stays, unless the client ends it.
        if request.isKeepAlive { head.headers.remove(name: "Connection") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if !request.isKeepAlive { channel.close(promise: nil) }
        }
        expectRequest(context)
    }
}
