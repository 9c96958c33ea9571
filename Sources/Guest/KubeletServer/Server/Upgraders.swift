import NIOCore
import NIOHTTP1
import NIOWebSocket

/// What the upgraders of one connection know of it.
struct UpgradeContext: Sendable {
    let streams: StreamUpgrade
    let handler: RequestHandler
    let identify: @Sendable (any Channel) -> PeerIdentity?

    /// Has an event loop wait for a task.
    func decide<Value: Sendable>(
        on loop: any EventLoop, _ decision: @escaping @Sendable () async throws -> Value
    ) -> EventLoopFuture<Value> {
        let promise = loop.makePromise(of: Value.self)
        promise.completeWithTask {
            do { return try await decision() } catch let refusal as KubeletRefusal { throw refusal } catch {
                throw KubeletRefusal(status: 500, message: "\(error)")
            }
        }
        return promise.futureResult
    }

    /// Runs a connection's streams until they end or the client has gone.
    func run(on channel: any Channel, _ work: @escaping @Sendable () async -> Void) {
        let task = Task { await work() }
        channel.closeFuture.whenComplete { _ in task.cancel() }
    }
}

/// Gives a connection over to SPDY. One belongs to one connection.
final class SPDYUpgrader: HTTPServerProtocolUpgrader, @unchecked Sendable {
    // Unchecked: the decision is written and read on the connection's event loop.
    let supportedProtocol = "SPDY/3.1"
    let requiredUpgradeHeaders: [String] = []
    private let context: UpgradeContext
    private var decision: (work: StreamWork, version: CommandProtocol?)?

    init(_ context: UpgradeContext) { self.context = context }

    func buildUpgradeResponse(
        channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        let identity = context.identify(channel)
        return context.decide(on: channel.eventLoop) { [streams = context.streams] in
            let work = try await streams.work(upgradeRequest, from: identity, isWebSocket: false)
            return (work, try streams.spdyProtocol(upgradeRequest, work))
        }.map { work, version in
            self.decision = (work, version)
            var headers = initialResponseHeaders
            headers.add(contentsOf: self.context.streams.spdyHeaders(version))
            return headers
        }
    }

    func upgrade(context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        guard let (work, version) = decision else { return context.eventLoop.makeFailedFuture(ConnectionEnded()) }
        let accept: @Sendable ([SPDYHeader]) -> Bool =
            if case .portForward = work { PortForwarding.accepts } else { { $0["streamType"] != nil } }
        let loop = context.eventLoop
        let session = SPDYSession(on: loop, accept: accept)
        let channel = context.channel
        let own = self.context
        return channel.pipeline.syncOperations.removeHandler(own.handler).flatMapThrowing {
            try channel.pipeline.syncOperations.addHandler(session)
            own.run(on: channel) { await own.streams.serve(session, on: loop, work, version) }
        }
    }
}

extension UpgradeContext {
    /// Gives a connection over to WebSocket.
    func webSocketUpgrader() -> NIOWebSocketServerUpgrader {
        let decision = WebSocketDecision()
        return NIOWebSocketServerUpgrader(
            maxFrameSize: WebSocketSession.messageLimit, automaticErrorHandling: false,
            shouldUpgrade: { channel, head in
                let identity = identify(channel)
                return decide(on: channel.eventLoop) {
                    let work = try await streams.work(head, from: identity, isWebSocket: true)
                    return (work, try streams.webSocketProtocol(head, work))
                }.map { work, format in
                    decision.value = (work, format)
                    return format.name.isEmpty ? [:] : ["Sec-WebSocket-Protocol": format.name]
                }
            },
            upgradePipelineHandler: { channel, _ in
                let loop = channel.eventLoop
                guard let (work, format) = decision.value else { return loop.makeFailedFuture(ConnectionEnded()) }
                let session = WebSocketSession(on: loop, format, reading: streams.webSocketInputs(work))
                return channel.pipeline.removeHandler(handler).flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(session)
                    run(on: channel) { await streams.serve(session, on: loop, work, format) }
                }
            })
    }
}

/// Touched on the connection's event loop only, hence unchecked.
private final class WebSocketDecision: @unchecked Sendable {
    var value: (work: StreamWork, format: ChannelProtocol)?
}
