import CLibssl
public import NIOCore

/// TLS for a channel, over OpenSSL: octets of the network on its outer side, of the application on its inner side.
///
/// When the handshake is done, `TLSHandshakeDone` goes inbound. What is written before waits for it. What goes wrong is
/// a `TLSError`, and the channel is closed.
public final class TLSHandler: ChannelDuplexHandler, RemovableChannelHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    private enum Phase { case waiting, handshake, open, closing, over }

    private let tls: TLSContext
    private let connection: OpaquePointer
    /// What came from the network and OpenSSL has not read, and what it wants sent. The connection owns both.
    private let (received, toSend): (OpaquePointer, OpaquePointer)
    private var phase = Phase.waiting
    /// Whether the peer said that it sends no more.
    private var peerClosed = false
    private var waiting: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    /// How many of those that wait are to be sent.
    private var flushed = 0
    /// Whom the peer's certificate names; nil before the handshake is done, and if it has none.
    public private(set) var peer: TLSPeer?

    /// - Parameter address: The address or name that the server's certificate must have; nil takes any.
    /// - Throws: `.material` for an address that is none.
    public convenience init(client context: TLSContext, address: String?) throws(TLSError) {
        try self.init(context)
        SSL_set_connect_state(connection)
        guard context.verifies, let address else { return }
        let parameters = SSL_get0_param(connection)
        guard
            X509_VERIFY_PARAM_set1_ip_asc(parameters, address) == 1
                || X509_VERIFY_PARAM_set1_host(parameters, address, 0) == 1
        else { throw .material("\(address): \(takeReason() ?? "no address")") }
        ERR_clear_error()
    }

    public convenience init(server context: TLSContext) throws(TLSError) {
        try self.init(context)
        SSL_set_accept_state(connection)
    }

    private init(_ context: TLSContext) throws(TLSError) {
        ERR_clear_error()
        guard let made = SSL_new(context.context) else {
            throw .material("no connection: \(takeReason() ?? "out of memory")")
        }
        guard let received = BIO_new(BIO_s_mem()), let toSend = BIO_new(BIO_s_mem()) else {
            SSL_free(made)
            throw .material("no connection: out of memory")
        }
        SSL_set_bio(made, received, toSend)
        (tls, connection, self.received, self.toSend) = (context, made, received, toSend)
    }

    deinit { SSL_free(connection) }

    // MARK: The channel's life

    public func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    public func handlerRemoved(context: ChannelHandlerContext) { fail(waiting: ChannelError.ioOnClosedChannel) }

    public func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        let before = phase
        phase = .over
        switch before {
        case .waiting, .handshake: context.fireErrorCaught(TLSError.closed)
        case .open where !peerClosed: context.fireErrorCaught(TLSError.truncated)
        default: break
        }
        fail(waiting: before == .handshake ? TLSError.closed : ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard phase == .waiting else { return }
        phase = .handshake
        shakeHands(context)
    }

    private func shakeHands(_ context: ChannelHandlerContext) {
        ERR_clear_error()
        let result = SSL_do_handshake(connection)
        let status = SSL_get_error(connection, result)
        if result == 1 {
            phase = .open
            peer = TLSPeer(of: connection)
            send(context, nil)
            context.fireUserInboundEventTriggered(TLSHandshakeDone(peer: peer))
            writeWaiting(context)
        } else if status == SSL_ERROR_WANT_READ || status == SSL_ERROR_WANT_WRITE {
            send(context, nil)
        } else {
            end(context, with: reason())
        }
    }

    /// The error of the last call.
    private func reason() -> TLSError {
        let words = takeReason() ?? "unknown error"
        let verdict = SSL_get_verify_result(connection)
        if verdict != Int(X509_V_OK), words.contains("verify failed"),
            let why = X509_verify_cert_error_string(verdict)
        {
            return .handshake("\(words): \(String(cString: why))")
        }
        return words.contains(" alert ") ? .alert(words) : .handshake(words)
    }

    private func end(_ context: ChannelHandlerContext, with error: TLSError) {
        // An alert may be there for the peer.
        send(context, nil)
        phase = .over
        fail(waiting: error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    private func fail(waiting error: any Error) {
        let all = waiting
        waiting = []
        flushed = 0
        for (_, promise) in all { promise?.fail(error) }
    }

    // MARK: Inbound

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        let accepted = buffer.readWithUnsafeReadableBytes { bytes in
            let count = BIO_write(received, bytes.baseAddress, Int32(clamping: bytes.count))
            return (bytes.count, Int(count) == bytes.count)
        }
        guard accepted else { return end(context, with: .handshake("out of memory")) }
        if phase == .waiting { begin(context) } else if phase == .handshake { shakeHands(context) }
        if phase == .open || phase == .closing { read(context) }
    }

    private func read(_ context: ChannelHandlerContext) {
        let size = 16 * 1024
        while phase == .open || phase == .closing {
            var buffer = context.channel.allocator.buffer(capacity: size)
            var status = SSL_ERROR_NONE
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
                ERR_clear_error()
                let count = SSL_read(connection, bytes.baseAddress, Int32(size))
                if count <= 0 { status = SSL_get_error(connection, count) }
                return max(0, Int(count))
            }
            guard count == 0 else {
                context.fireChannelRead(wrapInboundOut(buffer))
                continue
            }
            // A message of the protocol itself, such as an update of keys, may want an answer.
            send(context, nil)
            switch status {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
            case SSL_ERROR_ZERO_RETURN:
                peerClosed = true
                if phase == .open { close(context: context, mode: .all, promise: nil) }
                return
            default: return end(context, with: reason())
            }
        }
    }

    // MARK: Outbound

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard phase == .waiting || phase == .handshake || phase == .open else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        waiting.append((unwrapOutboundIn(data), promise))
    }

    public func flush(context: ChannelHandlerContext) {
        flushed = waiting.count
        if phase == .open { writeWaiting(context) }
        context.flush()
    }

    private func writeWaiting(_ context: ChannelHandlerContext) {
        let ready = waiting.prefix(flushed)
        waiting.removeFirst(flushed)
        flushed = 0
        var failure: TLSError?
        for (buffer, promise) in ready {
            if failure == nil { failure = encrypt(buffer) }
            if let failure {
                promise?.fail(failure)
            } else {
                send(context, promise)
            }
        }
        if let failure { end(context, with: failure) }
    }

    /// Leaves a buffer's octets, encrypted, among what is to be sent.
    private func encrypt(_ buffer: ByteBuffer) -> TLSError? {
        buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                ERR_clear_error()
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = SSL_write(connection, part.baseAddress, Int32(clamping: part.count))
                guard count > 0 else { return reason() }
                rest = rest.dropFirst(Int(count))
            }
            return nil
        }
    }

    /// Sends what OpenSSL has for the network.
    private func send(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        let pending = labrun_bio_pending(toSend)
        guard pending > 0 else {
            promise?.succeed(())
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: pending)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { bytes in
            max(0, Int(BIO_read(toSend, bytes.baseAddress, Int32(clamping: pending))))
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
    }

    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input, phase == .open {
            // What was written and not flushed goes before the closing alert.
            flushed = waiting.count
            writeWaiting(context)
        }
        if mode != .input, phase == .open {
            phase = .closing
            ERR_clear_error()
            _ = SSL_shutdown(connection)
            ERR_clear_error()
            send(context, nil)
        }
        context.close(mode: mode, promise: promise)
    }
}

@available(*, unavailable)
extension TLSHandler: Sendable {}
