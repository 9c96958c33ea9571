import NIOCore

/// Puts what a channel reads into a queue, and reads on only while that has room.
final class BufferedReads: ChannelDuplexHandler, @unchecked Sendable {
    // Unchecked: the state is touched on the channel's event loop; `queue` is for any thread.
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let queue = ByteQueue(limit: 65_536)
    private var context: ChannelHandlerContext?
    private var isFull = false
    private var wantsRead = false

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let loop = context.eventLoop
        queue.whenDrained { [weak self] in
            let handler = self
            loop.execute { handler?.drained() }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        queue.finish()
    }

    func read(context: ChannelHandlerContext) {
        if isFull { wantsRead = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !queue.push(Array(buffer: unwrapInboundIn(data))) { isFull = true }
    }

    private func drained() {
        isFull = false
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { queue.finish() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        queue.finish()
        context.fireChannelInactive()
    }

    /// A terminal whose last program has closed it reads as EIO, a connection may be reset: both are ends.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        queue.finish()
        context.close(promise: nil)
    }
}
