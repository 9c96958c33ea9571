import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Answers load balancers that ask for services' health, at a port of the node for each service.
///
/// It has a thread from the first port on. A port that somebody else has is tried again every second.
public final class ServiceHealthServer: Sendable {
    /// What happens to a port.
    public enum Notice: Sendable, Hashable {
        case opened(UInt16)
        /// The port is somebody else's, or cannot be had for another reason. It is told once.
        case failed(UInt16, String)
    }

    private struct State {
        var wanted: [UInt16: ServiceHealth] = [:]
        var channels: [UInt16: any Channel] = [:]
        /// Ports that are being opened, or are waited for.
        var opening: Set<UInt16> = []
        var failing: Set<UInt16> = []
    }

    private let host: String
    private let told: @Sendable (Notice) -> Void
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let state = Mutex(State())
    private let open = Atomic<Int>(0)

    /// Further connections are closed at once.
    static let mostConnections = 256
    private static let pause = TimeAmount.seconds(1)
    /// How long a request may take to come.
    private static let patience = TimeAmount.seconds(5)

    /// - Parameter host: The address at which it listens; all of the node's.
    public init(host: String = "0.0.0.0", told: @escaping @Sendable (Notice) -> Void) {
        self.host = host
        self.told = told
    }

    /// Sets what is said at which port from now on. It does not wait: a port is open a moment later.
    public func serve(_ wanted: [UInt16: ServiceHealth]) {
        let (closed, opened) = state.withLock { state in
            state.wanted = wanted
            let closed = state.channels.filter { wanted[$0.key] == nil }
            for port in closed.keys { state.channels[port] = nil }
            let opened = wanted.keys.filter { state.channels[$0] == nil && !state.opening.contains($0) }
            state.opening.formUnion(opened)
            state.failing.formIntersection(wanted.keys)
            return (closed.values.map { $0 }, opened.sorted())
        }
        // All of it happens on one thread, in this order.
        for channel in closed { channel.close(promise: nil) }
        for port in opened { bind(port) }
    }

    /// The ports that are open.
    public var ports: Set<UInt16> { state.withLock { Set($0.channels.keys) } }

    /// Ends all connections.
    public func stop() { try? group.syncShutdownGracefully() }

    private func bind(_ port: UInt16) {
        let bound = ServerBootstrap(group: group)
            .serverChannelOption(ChannelOptions.backlog, value: 64)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let self, self.enter(channel) else { throw ChannelError.eof }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: Self.patience))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(
                        HealthAnswers { [weak self] in self?.state.withLock { $0.wanted[port] } })
                }
            }
            .bind(host: host, port: Int(port))
        bound.whenComplete { [weak self] result in self?.take(result, port) }
    }

    private func take(_ result: Result<any Channel, any Error>, _ port: UInt16) {
        switch result {
        case .success(let channel):
            let isWanted = state.withLock { state in
                state.opening.remove(port)
                state.failing.remove(port)
                guard state.wanted[port] != nil else { return false }
                state.channels[port] = channel
                return true
            }
            if isWanted { told(.opened(port)) } else { channel.close(promise: nil) }
        case .failure(let error):
            let (isWanted, isNew) = state.withLock { state in
                guard state.wanted[port] != nil else {
                    state.opening.remove(port)
                    return (false, false)
                }
                return (true, state.failing.insert(port).inserted)
            }
            guard isWanted else { return }
            if isNew { told(.failed(port, "\(error)")) }
            _ = group.next().scheduleTask(in: Self.pause) { [weak self] in self?.again(port) }
        }
    }

    /// Tries a port again, if it is still wanted.
    private func again(_ port: UInt16) {
        let isWanted = state.withLock { state in
            if state.wanted[port] == nil { state.opening.remove(port) }
            return state.wanted[port] != nil
        }
        if isWanted { bind(port) }
    }

    private func enter(_ channel: any Channel) -> Bool {
        guard open.load(ordering: .relaxed) < Self.mostConnections else { return false }
        open.wrappingAdd(1, ordering: .relaxed)
        channel.closeFuture.whenComplete { [weak self] _ in self?.open.wrappingSubtract(1, ordering: .relaxed) }
        return true
    }
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
