import NIOCore

/// Reports one of the proxy's connections after its port is chosen and before its first packet, and again when it has
/// ended.
final class OwnConnection: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let own: OwnConnections

    /// Installs the handler. It does nothing for a proxy at the server's node, as the datapath sees those connections
    /// itself.
    static func install(on channel: any Channel, _ side: ProxySide) throws {
        guard case .client(let own) = side else { return }
        try channel.pipeline.syncOperations.addHandler(OwnConnection(own), position: .first)
    }

    private init(_ own: OwnConnections) { self.own = own }

    func connect(context: ChannelHandlerContext, to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        do {
            guard let local = context.channel.localAddress, let client = local.address4, let clientPort = local.port,
                let server = address.address4, let serverPort = address.port
            else { throw ProxyError.notIPv4 }
            let connection = ProxiedConnection(
                client: client, clientPort: UInt16(truncatingIfNeeded: clientPort), server: server,
                serverPort: UInt16(truncatingIfNeeded: serverPort))
            try own.willOpen(connection, 6)
            let own = own
            context.channel.closeFuture.whenComplete { _ in own.hasEnded(connection, 6) }
            context.connect(to: address, promise: promise)
        } catch {
            promise?.fail(error)
        }
    }
}

extension ProxySide {
    var isClient: Bool { if case .client = self { true } else { false } }
}
