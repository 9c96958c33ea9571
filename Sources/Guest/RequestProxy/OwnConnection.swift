import NIOCore

/// Tells of a connection between the choice of its port and its first packet, and when it has ended.
final class OwnConnection: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let own: OwnConnections

    /// Does nothing on the server's side, whose connections the datapath sees itself.
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
