import NIOCore
import NIOHTTP1
import TLS

/// The end of a connection's pipeline: sends one exchange at a time and gives it what comes.
final class ExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Exchange
    typealias OutboundOut = HTTPClientRequestPart

    private var exchange: Exchange?
    private var mistake: (any Error)?
    /// Whether the handshake is done. What is written before waits for it.
    private var isSecure = false
    private let server: String

    init(server: String) { self.server = server }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        self.exchange = exchange
        if !isSecure { exchange.progress = .securing }
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        if !exchange.body.isEmpty {
            let body = context.channel.allocator.buffer(bytes: exchange.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSHandshakeDone {
            isSecure = true
            if let exchange, exchange.progress == .securing { exchange.progress = .sent }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func read(context: ChannelHandlerContext) {
        // What a slow reader has not taken yet must not fill the memory.
        guard exchange?.wantsMore != false else { return }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let exchange, !exchange.isOver else {
            // Nothing was asked for.
            context.close(promise: nil)
            return
        }
        exchange.received(unwrapInboundIn(data))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The first mistake is the cause of the others.
        if mistake == nil { mistake = error }
        lost()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        lost()
        context.fireChannelInactive()
    }

    private func lost() {
        let exchange = exchange
        self.exchange = nil
        exchange?.lost(ConnectionError.words(of: mistake, server: server))
    }
}
