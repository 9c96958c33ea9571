import NIOCore
import NIOWebSocket

/// The server's end of a WebSocket connection whose messages carry numbered channels.
final class WebSocketSession: ChannelDuplexHandler, @unchecked Sendable {
    // Unchecked: everything below runs on the channel's event loop; tasks come here by it.
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = Never
    typealias OutboundIn = Never
    typealias OutboundOut = WebSocketFrame

    /// Bytes of a message, of all its frames.
    static let messageLimit = 1 << 20
    /// Bytes of one channel that wait to be read before the connection is not read any more.
    private static let queueLimit = 65_536
    private static let pieceLimit = 32_768

    private let loop: any EventLoop
    private let format: ChannelProtocol
    /// What the client may write to.
    private let inputs: [UInt8: ByteQueue]
    private var context: ChannelHandlerContext?
    private var message: [UInt8] = []
    private var isInMessage = false
    private var full: Set<UInt8> = []
    private var wantsRead = false
    private var isEnding = false

    /// - Parameter channels: Numbers of the channels that the client may write to. What comes on others is dropped, as
    ///   Kubernetes' servers do.
    init(on loop: any EventLoop, _ format: ChannelProtocol, reading channels: some Sequence<UInt8>) {
        self.loop = loop
        self.format = format
        inputs = Dictionary(
            channels.map { ($0, ByteQueue(limit: Self.queueLimit)) }, uniquingKeysWith: { first, _ in first })
        for (channel, queue) in inputs {
            queue.whenDrained { [weak self, loop] in
                let session = self
                loop.execute { session?.drained(channel) }
            }
        }
    }

    /// What the client writes to a channel.
    func input(_ channel: UInt8) -> ByteQueue? { inputs[channel] }

    func output(_ channel: UInt8) -> RemoteOutput {
        RemoteOutput(writing: { bytes in
            var rest = bytes[...]
            repeat {
                let piece = Array(rest.prefix(Self.pieceLimit))
                rest = rest.dropFirst(Self.pieceLimit)
                try await self.loop.flatSubmit { self.send(piece, on: channel) }.get()
            } while !rest.isEmpty
        })
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { closed() }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOWebSocketError { end(.protocolError) } else { context.close(promise: nil) }
    }

    private func closed() {
        context = nil
        for queue in inputs.values { queue.finish() }
    }

    // MARK: What the client sends

    func read(context: ChannelHandlerContext) {
        if mayRead(context) { context.read() } else { wantsRead = true }
    }

    /// A peer that does not take answers is not read, so that it cannot have them pile up here.
    private func mayRead(_ context: ChannelHandlerContext) -> Bool {
        isEnding || (full.isEmpty && context.channel.isWritable)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        readOn()
        context.fireChannelWritabilityChanged()
    }

    private func readOn() {
        guard wantsRead, let context, mayRead(context) else { return }
        wantsRead = false
        context.read()
    }

    private func drained(_ channel: UInt8) {
        if full.remove(channel) != nil { readOn() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard !isEnding else {
            if frame.opcode == .connectionClose { context.close(promise: nil) }
            return
        }
        // A client masks all of its frames (RFC 6455, section 5.1).
        guard frame.maskKey != nil || frame.length == 0 else { return end(.protocolError) }
        switch frame.opcode {
        case .binary, .text:
            guard !isInMessage else { return end(.protocolError) }
            add(frame)
        case .continuation:
            guard isInMessage else { return end(.protocolError) }
            add(frame)
        case .ping:
            write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
            context.flush()
        case .connectionClose: end(.normalClosure)
        case .pong: break
        default: end(.protocolError)
        }
    }

    private func add(_ frame: WebSocketFrame) {
        let data = frame.unmaskedData
        guard message.count + data.readableBytes <= Self.messageLimit else { return end(.messageTooLarge) }
        message += data.readableBytesView
        isInMessage = !frame.fin
        guard frame.fin else { return }
        defer { message = [] }
        // An empty message says nothing; Kubernetes' clients send one to keep the connection.
        if message.isEmpty { return }
        switch format.read(message) {
        case .bytes(let channel, let bytes):
            if let queue = inputs[channel], !queue.push(bytes) { full.insert(channel) }
        case .close(let channel): inputs[channel]?.finish()
        case nil: end(.unacceptableData)
        }
    }

    // MARK: What is sent

    private func send(_ bytes: [UInt8], on channel: UInt8) -> EventLoopFuture<Void> {
        guard let context, !isEnding else { return loop.makeFailedFuture(ConnectionEnded()) }
        let promise = loop.makePromise(of: Void.self)
        let data = ByteBuffer(bytes: format.message(bytes, on: channel))
        write(WebSocketFrame(fin: true, opcode: format.isBase64 ? .text : .binary, data: data), promise)
        context.flush()
        return promise.futureResult
    }

    private func write(_ frame: WebSocketFrame, _ promise: EventLoopPromise<Void>? = nil) {
        context?.write(wrapOutboundOut(frame), promise: promise)
    }

    private enum End { case normalClosure, protocolError, unacceptableData, messageTooLarge }

    /// Ends the connection: the closing frame behind what was written, the connection when the client has answered it,
    /// or after ten seconds.
    func end() { end(.normalClosure) }

    private func end(_ reason: End) {
        guard let context, !isEnding else { return }
        let code: WebSocketErrorCode =
            switch reason {
            case .normalClosure: .normalClosure
            case .protocolError: .protocolError
            case .unacceptableData: .dataInconsistentWithMessage
            case .messageTooLarge: .messageTooLarge
            }
        var data = ByteBuffer()
        data.write(webSocketErrorCode: code)
        write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
        context.flush()
        isEnding = true
        full = []
        for queue in inputs.values { queue.finish() }
        let channel = context.channel
        let timer = context.eventLoop.scheduleTask(in: .seconds(10)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
        readOn()
    }
}
