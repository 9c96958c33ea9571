import NIOCore
import NIOHTTP1
import NIOPosix
import TLS

/// The connections of a client to its server: a few for requests, which take turns, and one for each stream.
final class ConnectionPool: @unchecked Sendable {
    // Unchecked: everything that varies is touched on the event loop only.
    private let network: NetworkLoop
    private let server: KubeServer
    private let limits: KubeClientLimits
    private var context: Result<TLSContext, KubeClientError>?
    /// Connections without a request, the last one used last.
    private(set) var idle: [(channel: any Channel, timer: Scheduled<Void>)] = []
    /// All connections that there are.
    private var open: [ObjectIdentifier: any Channel] = [:]
    /// How many connections for requests there are or begin.
    private var count = 0
    private var waiting: [(exchange: Exchange, deadline: NIODeadline)] = []
    private var streams: [ObjectIdentifier: Exchange] = [:]
    private var isClosed = false

    init(_ network: NetworkLoop, _ server: KubeServer, _ limits: KubeClientLimits) {
        self.network = network
        self.server = server
        self.limits = limits
    }

    private var loop: any EventLoop { network.loop }

    // MARK: Exchanges

    /// Begins an exchange. It may be called on any thread.
    func begin(_ exchange: Exchange, until deadline: NIODeadline) {
        loop.execute { [self] in
            guard !isClosed else { return exchange.fail(KubeClientError.unreachable("the client is closed")) }
            exchange.start(until: deadline, server: server.authority)
            if case .lines = exchange.shape { stream(exchange, deadline) } else { run(exchange, deadline) }
        }
    }

    private func run(_ exchange: Exchange, _ deadline: NIODeadline) {
        guard !exchange.isOver else { return }
        while let (channel, timer) = idle.popLast() {
            timer.cancel()
            guard channel.isActive else {
                // Its end is told later, when it is not among these any more.
                count -= 1
                continue
            }
            // The server may have ended the connection meanwhile. A request that only reads can be sent again.
            if exchange.head.method == .GET {
                exchange.retry = { [self, weak exchange] in
                    exchange?.whenOver = nil
                    count -= 1
                    dropIdle()
                    if let exchange { run(exchange, deadline) }
                }
            }
            return use(channel, for: exchange, deadline)
        }
        guard count < limits.connections else {
            waiting.removeAll { $0.exchange.isOver }
            guard waiting.count < limits.waiting else {
                return exchange.fail(
                    KubeClientError.timedOut("\(server.authority): \(waiting.count) requests wait for a connection"))
            }
            exchange.progress = .waiting
            return waiting.append((exchange, deadline))
        }
        count += 1
        exchange.progress = .connecting
        connect(until: deadline).whenComplete { [self] result in
            switch result {
            case .success(let channel) where !exchange.isOver: use(channel, for: exchange, deadline)
            case .success(let channel): release(channel, isReusable: true)
            case .failure(let error):
                count -= 1
                exchange.fail(error)
                runNext()
            }
        }
    }

    private func use(_ channel: any Channel, for exchange: Exchange, _ deadline: NIODeadline) {
        exchange.whenOver = { [self] isReusable in release(channel, isReusable: isReusable) }
        exchange.begin(on: channel)
    }

    private func release(_ channel: any Channel, isReusable: Bool) {
        if isReusable, channel.isActive, !isClosed {
            let timer: Scheduled<Void> = loop.scheduleTask(
                in: .nanoseconds(limits.idle.wholeNanoseconds)
            ) { [weak self] in
                self?.dropIdle(channel)
            }
            idle.append((channel, timer))
        } else {
            count -= 1
            channel.close(promise: nil)
            // Others that lie idle go the same way, and are no better.
            if !isReusable { dropIdle() }
        }
        runNext()
    }

    private func runNext() {
        while !waiting.isEmpty {
            let (exchange, deadline) = waiting.removeFirst()
            if !exchange.isOver { return run(exchange, deadline) }
        }
    }

    private func dropIdle(_ channel: (any Channel)? = nil) {
        for (other, timer) in idle where channel == nil || channel === other {
            timer.cancel()
            count -= 1
            other.close(promise: nil)
        }
        idle.removeAll { channel == nil || channel === $0.channel }
    }

    private func stream(_ exchange: Exchange, _ deadline: NIODeadline) {
        let key = ObjectIdentifier(exchange)
        streams[key] = exchange
        exchange.whenOver = { [self] _ in streams[key] = nil }
        exchange.progress = .connecting
        connect(until: deadline).whenComplete { result in
            switch result {
            case .success(let channel):
                if exchange.isOver { channel.close(promise: nil) } else { exchange.begin(on: channel) }
            case .failure(let error): exchange.fail(error)
            }
        }
    }

    /// Ends everything.
    func close() -> EventLoopFuture<Void> {
        loop.flatSubmit { [self] in
            isClosed = true
            let closed = KubeClientError.unreachable("the client is closed")
            for (exchange, _) in waiting { exchange.fail(closed) }
            waiting = []
            for exchange in Array(streams.values) { exchange.fail(closed) }
            dropIdle()
            let ends = open.values.map { channel in
                channel.close(promise: nil)
                return channel.closeFuture
            }
            return EventLoopFuture.andAllComplete(ends, on: loop)
        }
    }

    // MARK: Connections

    private func connect(until deadline: NIODeadline) -> EventLoopFuture<any Channel> {
        let name = server.authority
        let connected = network.isThere.flatMapThrowing { [self] in
            (try securityContext().get(), try SocketAddress(ipAddress: server.host, port: Int(server.port)))
        }.flatMap { [self] context, address in
            bootstrap(context, name, until: deadline).connect(to: address)
        }
        return connected.flatMapErrorThrowing { error in
            if error is SocketAddressError { throw KubeClientError.unreachable("\(name) is no address") }
            throw ConnectionError.words(of: error, server: name)
        }.map { [self] channel in
            let key = ObjectIdentifier(channel)
            open[key] = channel
            channel.closeFuture.whenComplete { [weak self] _ in
                self?.open[key] = nil
                self?.dropIdle(channel)
            }
            if isClosed { channel.close(promise: nil) }
            return channel
        }
    }

    private func bootstrap(_ context: TLSContext, _ name: String, until deadline: NIODeadline) -> ClientBootstrap {
        let address = server.host
        let silence = max(3, Int(limits.silence.seconds))
        return ClientBootstrap(group: loop)
            .connectTimeout(
                max(.milliseconds(1), min(.nanoseconds(limits.connecting.wholeNanoseconds), deadline - .now()))
            )
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(TCPOptions.keepIdle, value: .init(silence / 3))
            .channelOption(TCPOptions.keepInterval, value: .init(silence / 3))
            .channelOption(TCPOptions.keepCount, value: 2)
            .channelOption(TCPOptions.userTimeout, value: .init(silence * 1000))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    var limits = NIOHTTPDecoderLimitConfiguration()
                    limits.maxHeaderFieldSize = 16_384
                    limits.maxHeaderListSize = 65_536
                    limits.maxHeaderFieldCount = 100
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(client: context, address: address))
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPResponseDecoder(limitConfiguration: limits)))
                    try pipeline.addHandler(ExchangeHandler(server: name))
                }
            }
    }

    private func securityContext() -> Result<TLSContext, KubeClientError> {
        if let context { return context }
        let made = Security.context(server)
        context = made
        return made
    }
}

/// Socket options for which NIO has no name (netinet/tcp.h).
private enum TCPOptions {
    static let keepIdle = option(4)
    static let keepInterval = option(5)
    static let keepCount = option(6)
    static let userTimeout = option(18)

    private static func option(_ number: Int32) -> ChannelOptions.Types.SocketOption {
        ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: number))
    }
}
