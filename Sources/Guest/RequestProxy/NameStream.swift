import DNSWire
import NIOCore
import NIOPosix
import Policy

/// DNS over TCP: a pod's connection, and the proxy's own to the server. Messages are preceded by their length (RFC
/// 7766, section 8).
final class NameStream: ChannelInboundHandler, @unchecked Sendable {
    // Unchecked: this handler, the server's and every callback run on the one event loop of the client's channel.
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Questions without an answer on a connection; with more of them it ends.
    private static let questionLimit = 64

    private let settings: NameProxy.Settings
    private let desk: NameDesk
    private let connection: ProxiedConnection
    private let client: any Channel
    private var server: Server = .none
    private var questions: [UInt16: DNSQuestion] = [:]

    private enum Server {
        case none
        case connecting([ByteBuffer])
        case connected(any Channel)
    }

    static func listen(
        _ settings: NameProxy.Settings, _ desk: NameDesk, _ group: MultiThreadedEventLoopGroup, port: UInt16
    ) throws -> any Channel {
        let count = ConnectionCount(limit: settings.connectionLimit)
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(ChannelOptions.backlog, value: 64)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard count.enter(until: channel.closeFuture) else { throw ProxyError.tooManyConnections }
                    let stream = NameStream(settings, desk, try ProxiedConnection(channel), channel)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: settings.idleTimeout))
                    try pipeline.addHandler(ByteToMessageHandler(NameFrames()))
                    try pipeline.addHandler(stream)
                }
            }
        if settings.fixedServer == nil {
            bootstrap =
                bootstrap
                .serverChannelOption(SocketOptions.transparent, value: 1)
                .serverChannelOption(SocketOptions.mark, value: .init(settings.mark))
        }
        return try bootstrap.bind(host: "127.0.0.1", port: Int(port)).wait()
    }

    private init(
        _ settings: NameProxy.Settings, _ desk: NameDesk, _ connection: ProxiedConnection, _ client: any Channel
    ) {
        self.settings = settings
        self.desk = desk
        self.connection = connection
        self.client = client
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let message = Array(unwrapInboundIn(data).readableBytesView)
        switch desk.read(message, connection, .tcp) {
        case .answer(let answer): client.writeAndFlush(NameFrames.framed(answer, client), promise: nil)
        case .ignore: context.close(promise: nil)
        case .pass(let question):
            guard questions.count < Self.questionLimit else { return context.close(promise: nil) }
            questions[question.id] = question
            pass(NameFrames.framed(message, client))
        }
    }

    private func pass(_ message: ByteBuffer) {
        switch server {
        case .connected(let channel): channel.writeAndFlush(message, promise: nil)
        case .connecting(let waiting): server = .connecting(waiting + [message])
        case .none:
            server = .connecting([message])
            connect()
        }
    }

    private func connect() {
        do {
            var bootstrap = ClientBootstrap(group: client.eventLoop)
                .connectTimeout(.seconds(Int64(settings.patience)))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(ByteToMessageHandler(NameFrames()))
                        try pipeline.addHandler(NameStreamServer(self))
                        try OwnConnection.install(on: channel, .client(self.settings.own))
                    }
                }
            if settings.fixedServer == nil {
                // The kernel chooses a port that nobody has: without SO_REUSEADDR.
                bootstrap = bootstrap.channelOption(SocketOptions.transparent, value: 1)
            }
            let (address, port) = settings.fixedServer ?? (connection.server, connection.serverPort)
            bootstrap.bind(to: try SocketAddress(ipAddress: connection.client.description, port: 0))
                .connect(to: try SocketAddress(ipAddress: address.description, port: Int(port)))
                .whenComplete { self.connected($0) }
        } catch {
            client.close(promise: nil)
        }
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        guard case .success(let channel) = result, client.isActive, case .connecting(let waiting) = server else {
            if case .success(let channel) = result { channel.close(promise: nil) }
            return client.close(promise: nil)
        }
        server = .connected(channel)
        for message in waiting { channel.write(message, promise: nil) }
        channel.flush()
    }

    /// An answer of the server; what answers no question ends the connection.
    func received(_ message: [UInt8]) {
        guard message.count >= 2,
            let question = questions.removeValue(forKey: UInt16(message[0]) << 8 | UInt16(message[1])),
            let answer = desk.answer(message, to: question, connection)
        else { return client.close(promise: nil) }
        client.writeAndFlush(NameFrames.framed(answer, client), promise: nil)
    }

    func serverEnded() {
        server = .none
        client.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .connected(let channel) = server { channel.close(promise: nil) }
        server = .none
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// The connection with the server.
private final class NameStreamServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let stream: NameStream

    init(_ stream: NameStream) { self.stream = stream }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        stream.received(Array(unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        stream.serverEnded()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Messages out of a stream, each preceded by its length in two octets.
private struct NameFrames: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let message = buffer.readLengthPrefixedSlice(as: UInt16.self) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(message))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try decode(context: context, buffer: &buffer)
    }

    static func framed(_ message: [UInt8], _ channel: any Channel) -> ByteBuffer {
        var buffer = channel.allocator.buffer(capacity: message.count + 2)
        buffer.writeInteger(UInt16(truncatingIfNeeded: message.count))
        buffer.writeBytes(message)
        return buffer
    }
}
