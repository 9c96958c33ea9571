import NIOCore

/// The server's end of a SPDY connection on which the peer opens all streams, as Kubernetes' clients do.
///
/// Kubernetes' SPDY (moby/spdystream) has no flow control of streams: it sends no WINDOW_UPDATE and no SETTINGS, and
/// passes over those it gets. Holding back at the 64 KiB that the protocol begins with would thus hang every transfer.
/// So windows are kept with a peer that shows that it knows them, by either frame; with every other one the TCP
/// connection is what holds back. A stream that is not read holds the whole connection then, as in moby/spdystream.
final class SPDYSession: ChannelDuplexHandler, @unchecked Sendable {
    // Unchecked: everything below runs on the channel's event loop; streams come here by it.
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    /// Streams that may be open at once. More are refused.
    static let streamLimit = 512
    /// Bytes of one stream that wait to be read before the connection is not read any more.
    static let queueLimit = 65_536
    /// Bytes of a data frame that is sent.
    static let pieceLimit = 32_768
    private static let initialWindow = 65_536

    private struct Stream {
        let input: ByteQueue
        var isLocalDone = false
        var isRemoteDone = false
        /// What the peer lets this side send; counted always, minded once the peer knows windows.
        var window: Int
        var received = 0
        var waiting: CircularBuffer<(bytes: ByteBuffer, promise: EventLoopPromise<Void>)> = []
        var finishes = false
    }

    private let loop: any EventLoop
    private let accept: @Sendable ([SPDYHeader]) -> Bool
    private let arrivals: AsyncStream<SPDYStream>.Continuation
    /// The streams that the peer opened and `accept` let in, until the connection ends or the peer says that no more
    /// will come.
    let opened: AsyncStream<SPDYStream>

    private var reader = SPDYFrameReader()
    private let writer = SPDYFrameWriter()
    private var context: ChannelHandlerContext?
    private var streams: [UInt32: Stream] = [:]
    private var lastStream: UInt32 = 0
    private var full: Set<UInt32> = []
    private var wantsRead = false
    private var knowsWindows = false
    private var peerWindow = initialWindow
    private var isEnding = false
    private var isBroken = false

    /// - Parameter accept: Says of a new stream's headers whether it may come in; it is reset otherwise.
    init(on loop: any EventLoop, accept: @escaping @Sendable ([SPDYHeader]) -> Bool) {
        self.loop = loop
        self.accept = accept
        (opened, arrivals) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.streamLimit))
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { closed() }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func closed() {
        context = nil
        let ended = streams.values
        streams = [:]
        for stream in ended {
            stream.input.finish()
            for write in stream.waiting { write.promise.fail(ConnectionEnded()) }
        }
        arrivals.finish()
    }

    // MARK: What the peer sends

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

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Behind the end and behind a mistake, what comes is thrown away.
        guard !isEnding, !isBroken else { return }
        reader.add(unwrapInboundIn(data))
        do {
            while !isEnding, !isBroken, let frame = try reader.next() { take(frame) }
        } catch {
            isBroken = true
            send(.goAway(lastStream: lastStream, status: 1))
            context.flush()
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    private func take(_ frame: SPDYFrame) {
        switch frame {
        case .openStream(let id, let headers, let isLast): open(id, headers, isLast)
        case .data(let id, let bytes, let isLast): receive(bytes, on: id, isLast)
        case .headers(let id, _, let isLast), .reply(let id, _, let isLast):
            if isLast { receive(ByteBuffer(), on: id, true) }
        case .reset(let id, _): remove(id)
        case .ping(let id): if id % 2 == 1 { send(.ping(id: id)) }  // Even ones answer this side's, and it sends none.
        case .goAway: arrivals.finish()
        case .settings(let settings):
            for setting in settings where setting.id == SPDYFrame.Setting.initialWindow {
                knowsWindows = true
                setWindow(Int(setting.value & 0x7fff_ffff))
            }
        case .windowUpdate(let id, let delta): widen(id, Int(delta))
        case .unknown: break
        }
    }

    private func open(_ id: UInt32, _ headers: [SPDYHeader], _ isLast: Bool) {
        // A client's streams have odd numbers that go up (section 2.3.2); anything else ends the connection.
        guard id % 2 == 1, id > lastStream else {
            return reset(id, streams[id] == nil ? SPDYReset.protocolError : SPDYReset.streamInUse)
        }
        lastStream = id
        guard streams.count < Self.streamLimit else { return reset(id, SPDYReset.refusedStream) }
        guard accept(headers) else { return reset(id, SPDYReset.cancel) }
        let input = ByteQueue(limit: Self.queueLimit)
        input.whenDrained { [weak self, loop] in
            let session = self
            loop.execute { session?.drained(id) }
        }
        let stream = SPDYStream(id: id, headers: headers, input: input, loop: loop, session: self)
        streams[id] = Stream(input: input, isRemoteDone: isLast, window: peerWindow)
        if isLast { input.finish() }
        // The reply first: what takes the stream may write at once.
        send(.reply(id: id, headers: [], isLast: false))
        guard case .enqueued = arrivals.yield(stream) else { return reset(id, SPDYReset.refusedStream) }
    }

    private func receive(_ bytes: ByteBuffer, on id: UInt32, _ isLast: Bool) {
        guard var stream = streams[id] else {
            // A stream that this side has ended may still have frames on their way.
            if id > lastStream || id % 2 == 0 { send(.reset(id: id, status: SPDYReset.invalidStream)) }
            return
        }
        guard !stream.isRemoteDone else { return reset(id, SPDYReset.streamAlreadyClosed) }
        if bytes.readableBytes > 0, !stream.input.push(Array(buffer: bytes)) { full.insert(id) }
        stream.received += bytes.readableBytes
        if knowsWindows, !full.contains(id), stream.received > 0, !isLast {
            send(.windowUpdate(id: id, delta: UInt32(truncatingIfNeeded: stream.received)))
            stream.received = 0
        }
        if isLast {
            stream.isRemoteDone = true
            stream.input.finish()
        }
        streams[id] = stream
        removeIfDone(id)
    }

    private func drained(_ id: UInt32) {
        guard full.remove(id) != nil else { return }
        if knowsWindows, let received = streams[id]?.received, received > 0 {
            streams[id]?.received = 0
            send(.windowUpdate(id: id, delta: UInt32(truncatingIfNeeded: received)))
            context?.flush()
        }
        readOn()
    }

    private func setWindow(_ size: Int) {
        let change = size - peerWindow
        peerWindow = size
        for id in Array(streams.keys) {
            streams[id]?.window += change
            flushWaiting(id)
        }
    }

    private func widen(_ id: UInt32, _ delta: Int) {
        knowsWindows = true
        // Zero is the connection's own window, of SPDY/3.1, which is not minded.
        guard id != 0, let window = streams[id]?.window else { return }
        guard window + delta <= 0x7fff_ffff else { return reset(id, SPDYReset.flowControl) }
        streams[id]?.window = window + delta
        flushWaiting(id)
    }

    // MARK: What is sent

    /// Returns a future that succeeds when the connection has taken the bytes.
    func send(_ bytes: ByteBuffer, on id: UInt32) -> EventLoopFuture<Void> {
        guard context != nil, let stream = streams[id], !stream.finishes else {
            return loop.makeFailedFuture(ConnectionEnded())
        }
        let promise = loop.makePromise(of: Void.self)
        streams[id]?.waiting.append((bytes, promise))
        flushWaiting(id)
        return promise.futureResult
    }

    private func flushWaiting(_ id: UInt32) {
        guard let context, var stream = streams[id] else { return }
        while let (held, promise) = stream.waiting.first {
            var bytes = held
            let allowed = knowsWindows ? max(0, stream.window) : .max
            guard allowed > 0, let piece = bytes.readSlice(length: min(allowed, bytes.readableBytes)) else { break }
            stream.window -= piece.readableBytes
            let isWhole = bytes.readableBytes == 0
            if isWhole { stream.waiting.removeFirst() } else { stream.waiting[stream.waiting.startIndex].bytes = bytes }
            send(.data(id: id, bytes: piece, isLast: false), promise: isWhole ? promise : nil)
        }
        if stream.finishes, stream.waiting.isEmpty, !stream.isLocalDone {
            stream.isLocalDone = true
            send(.data(id: id, bytes: ByteBuffer(), isLast: true))
        }
        streams[id] = stream
        removeIfDone(id)
        context.flush()
    }

    func finish(_ id: UInt32) {
        guard streams[id]?.finishes == false else { return }
        streams[id]?.finishes = true
        flushWaiting(id)
    }

    func reset(_ id: UInt32, _ status: UInt32) {
        send(.reset(id: id, status: status))
        remove(id)
        context?.flush()
    }

    private func send(_ frame: SPDYFrame, promise: EventLoopPromise<Void>? = nil) {
        guard let context, let bytes = try? writer.bytes(frame) else {
            promise?.fail(ConnectionEnded())
            return
        }
        context.write(wrapOutboundOut(bytes), promise: promise)
    }

    private func removeIfDone(_ id: UInt32) {
        guard let stream = streams[id], stream.isLocalDone, stream.isRemoteDone else { return }
        remove(id)
    }

    private func remove(_ id: UInt32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        stream.input.finish()
        for write in stream.waiting { write.promise.fail(ConnectionEnded()) }
        // What the stream still holds does not hold the connection any longer.
        drained(id)
    }

    /// Ends all streams behind what was written, says that the connection is over and closes it: this side's half, and
    /// all of it when the peer has read that and closed its own, or after the time.
    func end(within time: TimeAmount = .seconds(10)) {
        guard let context, !isEnding else { return }
        for id in streams.keys.sorted() { finish(id) }
        send(.goAway(lastStream: lastStream, status: 0))
        context.flush()
        isEnding = true
        full = []
        arrivals.finish()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        let timer = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
        readOn()
    }
}
