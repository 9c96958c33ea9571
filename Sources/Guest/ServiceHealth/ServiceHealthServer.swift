import NIOCore
import NIOHTTP1
public import PortListeners
import Synchronization

/// Answers load balancers that ask for services' health, at a port of the node for each service.
///
/// It has a thread from the first port on.
public final class ServiceHealthServer: Sendable {
    private final class Table: Sendable {
        let health = Mutex<[UInt16: ServiceHealth]>([:])
    }
    private let table = Table()
    private let listeners: PortListeners

    private static let mostConnections = 256
    /// How long a request may take to come.
    private static let patience = TimeAmount.seconds(5)

    /// - Parameter host: The address at which it listens; all of the node's.
    public init(host: String = "0.0.0.0", told: @escaping @Sendable (PortListeners.Notice) -> Void) {
        listeners = PortListeners(host: host, limit: Self.mostConnections, told: told) { [table] channel, port in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(IdleStateHandler(allTimeout: Self.patience))
            try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
            try pipeline.addHandler(HealthAnswers { table.health.withLock { $0[port] } })
        }
    }

    /// Sets what is said at which port from now on. It does not wait: a port is open a moment later.
    public func serve(_ wanted: [UInt16: ServiceHealth]) {
        table.health.withLock { $0 = wanted }
        listeners.listen(at: Set(wanted.keys))
    }

    /// The ports that are open.
    public var ports: Set<UInt16> { listeners.ports }

    /// Ends all connections.
    public func stop() { listeners.stop() }
}

/// Answers one request, whatever its path, and ends the connection.
private final class HealthAnswers: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let health: () -> ServiceHealth?
    private var isHead = false

    init(_ health: @escaping () -> ServiceHealth?) { self.health = health }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): isHead = head.method == .HEAD
        case .body: break
        case .end: answer(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let health = health() else { return context.close(promise: nil) }
        let body = context.channel.allocator.buffer(string: health.document)
        // The names are kube-proxy's.
        let headers: HTTPHeaders = [
            "Content-Type": "application/json", "X-Content-Type-Options": "nosniff",
            "X-Load-Balancing-Endpoint-Weight": "\(health.localEndpoints)", "Content-Length": "\(body.readableBytes)",
            "Connection": "close",
        ]
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: health.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !isHead { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}
