import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TLS

/// The kubelet's HTTPS API: what `kubectl logs`, `exec`, `attach` and `port-forward` reach through the API server, and
/// what monitoring reads. Clients show certificates of the lab's authority.
public final class KubeletServer: Sendable {
    public struct Settings: Sendable {
        /// The IPv4 address to listen at.
        public var address = "0.0.0.0"
        /// The port to listen at; 0 for any free one.
        public var port: UInt16 = 10_250
        /// The serving certificate, the ones that signed it behind it, and its key, in PEM.
        public var certificateChainPEM: String
        public var keyPEM: String
        /// The authority that has signed the clients' certificates, in PEM.
        public var clientAuthorityPEM: String
        public var access = KubeletAccess()
        /// More connections than these are closed at once.
        public var connectionLimit = 256
        /// How long a client may take to open the streams that it asked for.
        public var streamTime = Duration.seconds(30)

        public init(certificateChainPEM: String, keyPEM: String, clientAuthorityPEM: String) {
            self.certificateChainPEM = certificateChainPEM
            self.keyPEM = keyPEM
            self.clientAuthorityPEM = clientAuthorityPEM
        }
    }

    /// The port at which it listens.
    public let port: UInt16
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup
    private let tls: TLSIdentity
    private let clientAuthorityPEM: String

    /// Starts to listen.
    ///
    /// - Parameter now: The wall clock, which `sinceSeconds` of logs counts from.
    /// - Throws: `TLSError` for certificates that cannot be read, `IOError` for an address that cannot be bound.
    public init(
        _ settings: Settings, _ backend: any KubeletBackend, now: @escaping @Sendable () -> LogTime = LogTime.now
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let tls = TLSIdentity(
                try Self.context(settings.certificateChainPEM, settings.keyPEM, settings.clientAuthorityPEM))
            let routes = Routes(backend: backend, access: settings.access, now: now)
            let streams = StreamUpgrade(routes: routes, group: group, streamTime: settings.streamTime)
            let connections = Connections(limit: settings.connectionLimit)
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(ChannelOptions.backlog, value: 128)
                .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
                .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard connections.enter(until: channel.closeFuture) else { throw ConnectionEnded() }
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(TLSHandler(server: tls.context))
                        try Self.install(on: channel, streams, identify: PeerIdentity.ofClient)
                    }
                }
                .bind(host: settings.address, port: Int(settings.port)).get()
            self.group = group
            self.channel = channel
            self.tls = tls
            clientAuthorityPEM = settings.clientAuthorityPEM
            port = channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? 0
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Lays the handlers of HTTP on a connection.
    static func install(
        on channel: any Channel, _ streams: StreamUpgrade,
        identify: @escaping @Sendable (any Channel) -> PeerIdentity?
    ) throws {
        let handler = RequestHandler(streams.routes, identify: identify)
        let context = UpgradeContext(streams: streams, handler: handler, identify: identify)
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16_384
        limits.maxHeaderListSize = 65_536
        limits.maxHeaderFieldCount = 100
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(
            withServerUpgrade: (upgraders: [SPDYUpgrader(context), context.webSocketUpgrader()], { _ in }),
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
        try pipeline.addHandler(handler)
    }

    /// Takes another serving certificate. Connections that are open keep theirs.
    ///
    /// - Throws: `TLSError` for certificates that cannot be read.
    public func replaceCertificate(chainPEM: String, keyPEM: String) throws {
        tls.context = try Self.context(chainPEM, keyPEM, clientAuthorityPEM)
    }

    private static func context(_ chain: String, _ key: String, _ authority: String) throws -> TLSContext {
        // A client without a certificate is let in and answered with 401.
        try TLSContext(serverChainPEM: chain, keyPEM: key, clientAuthorityPEM: authority)
    }

    /// Ends all connections and stops to listen.
    public func stop() async {
        try? await channel.close().get()
        try? await group.shutdownGracefully()
    }
}

/// The serving certificate for connections to come.
private final class TLSIdentity: Sendable {
    private let held: Mutex<TLSContext>

    init(_ context: TLSContext) { held = Mutex(context) }

    var context: TLSContext {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}

/// How many connections there are.
private final class Connections: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func enter(until closed: EventLoopFuture<Void>) -> Bool {
        let isIn = count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
        if isIn { closed.whenComplete { _ in self.count.withLock { $0 -= 1 } } }
        return isIn
    }
}

extension LogTime {
    /// The wall clock.
    @Sendable public static func now() -> LogTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return LogTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
    }
}
