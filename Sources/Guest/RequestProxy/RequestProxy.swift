public import NIOCore
internal import NIOHTTP1
import NIOPosix
public import NetAddress
public import Policy

/// A connection through the proxy as the client and the server see it. The proxy's own address appears to neither.
public struct ProxiedConnection: Sendable, Hashable {
    public let client: IPv4Address
    public let clientPort: UInt16
    public let server: IPv4Address
    public let serverPort: UInt16

    public init(client: IPv4Address, clientPort: UInt16, server: IPv4Address, serverPort: UInt16) {
        self.client = client
        self.clientPort = clientPort
        self.server = server
        self.serverPort = serverPort
    }
}

/// The side whose requests a proxy reads.
public enum ProxySide: Sendable {
    /// Requests that come to a pod of the node. The server is called under the client's address and, unless it is
    /// taken, the client's port.
    case server
    /// Requests that a pod of the node sends. The server is called under the pod's address and a port of the proxy's
    /// own.
    case client(OwnConnections)
}

/// Is informed of connections that a proxy opens under a pod's address and a port of its own, so that the datapath
/// knows what returns.
public struct OwnConnections: Sendable {
    /// Called with the proxy's connection and its IP protocol number before the first packet. If it throws, the
    /// connection ends.
    public var willOpen: @Sendable (ProxiedConnection, UInt8) throws -> Void
    /// Called when the connection is over.
    public var hasEnded: @Sendable (ProxiedConnection, UInt8) -> Void

    public init(
        willOpen: @escaping @Sendable (ProxiedConnection, UInt8) throws -> Void,
        hasEnded: @escaping @Sendable (ProxiedConnection, UInt8) -> Void
    ) {
        self.willOpen = willOpen
        self.hasEnded = hasEnded
    }
}

/// A transparent proxy for HTTP/1.1 (RFC 9112) in the node's own network namespace. It listens for any address. It
/// answers a forbidden request with 403, and passes any other to the server under the client's address.
///
/// A request that two readers could understand differently is answered with 400 and ends the connection: contradicting
/// lengths, targets that are no path, paths with dot segments. Connections are not upgraded.
public final class RequestProxy: Sendable {
    /// Says whether a request may pass. It is called on the proxy's thread for every request.
    public typealias Judge = @Sendable (RequestFacts, ProxiedConnection) -> Bool

    public struct Settings: Sendable {
        /// The preferred port, so that packets find the proxy again after a restart. If it is taken, another one is
        /// used.
        public var port: UInt16 = 10_500
        public var side = ProxySide.server
        /// The mark on packets to the pod whose requests are read. It says that they were checked.
        public var mark: UInt32
        /// The largest number of connections. Further ones are refused.
        public var connectionLimit = 1024
        public var connectTimeout = TimeAmount.seconds(5)
        /// A connection ends when both directions are silent for this long.
        public var idleTimeout = TimeAmount.minutes(60)
        /// The time for a whole head to arrive, from the connection's first byte or the end of the previous request.
        public var headTimeout = TimeAmount.seconds(60)
        /// For tests: the server to call instead of the one that the client called, under the proxy's own address. It
        /// needs no privilege.
        public var fixedServer: (address: NetAddress.IPv4Address, port: UInt16)?

        public init(mark: UInt32) { self.mark = mark }
    }

    /// The port on which it listens, on 127.0.0.1.
    public let port: UInt16
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// Starts to listen.
    ///
    /// - Throws: `IOError` with the errno of the call that was refused.
    public init(_ settings: Settings, judge: @escaping Judge) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        let count = ConnectionCount(limit: settings.connectionLimit)
        func listen(_ number: UInt16) throws -> any Channel {
            var bootstrap = ServerBootstrap(group: group)
                .serverChannelOption(ChannelOptions.backlog, value: 256)
                .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
                .childChannelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard count.enter(until: channel.closeFuture) else { throw ProxyError.tooManyConnections }
                        try ClientSide.install(on: channel, settings, judge)
                    }
                }
            if settings.fixedServer == nil {
                bootstrap = bootstrap.serverChannelOption(SocketOptions.transparent, value: 1)
                if case .client = settings.side {
                    // Connections inherit it from their listener.
                    bootstrap = bootstrap.serverChannelOption(SocketOptions.mark, value: .init(settings.mark))
                }
            }
            return try bootstrap.bind(host: "127.0.0.1", port: Int(number)).wait()
        }
        do {
            let channel: any Channel
            do { channel = try listen(settings.port) } catch { channel = try listen(0) }
            self.channel = channel
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
        port = channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? 0
    }

    /// Ends all connections.
    public func stop() {
        try? group.syncShutdownGracefully()
    }
}

enum ProxyError: Error, CustomStringConvertible {
    case tooManyConnections
    case notIPv4

    var description: String {
        switch self {
        case .tooManyConnections: "too many connections"
        case .notIPv4: "the connection has no IPv4 addresses"
        }
    }
}

/// Socket options for which NIO has no name.
enum SocketOptions {
    /// `IP_TRANSPARENT`, `SO_MARK` (linux/in.h, asm-generic/socket.h).
    static let transparent = ChannelOptions.Types.SocketOption(level: .ip, name: .init(rawValue: 19))
    static let mark = ChannelOptions.Types.SocketOption(level: .socket, name: .init(rawValue: 36))
}

/// How many connections there are; touched on the proxy's one thread only.
final class ConnectionCount: @unchecked Sendable {
    // Unchecked: every access is on the one event loop of the proxy's group.
    private let limit: Int
    private var count = 0

    init(limit: Int) { self.limit = limit }

    func enter(until closed: EventLoopFuture<Void>) -> Bool {
        guard count < limit else { return false }
        count += 1
        closed.whenComplete { _ in self.count -= 1 }
        return true
    }
}

extension ProxiedConnection {
    /// The own address of an accepted channel is the address that the client called.
    init(_ channel: any Channel) throws(ProxyError) {
        guard let client = channel.remoteAddress, let clientAddress = client.address4, let clientPort = client.port,
            let server = channel.localAddress, let serverAddress = server.address4, let serverPort = server.port
        else { throw .notIPv4 }
        self.init(
            client: clientAddress, clientPort: UInt16(truncatingIfNeeded: clientPort), server: serverAddress,
            serverPort: UInt16(truncatingIfNeeded: serverPort))
    }
}

extension SocketAddress {
    var address4: NetAddress.IPv4Address? {
        guard case .v4 = self, let text = ipAddress else { return nil }
        return NetAddress.IPv4Address(text)
    }
}
