import NIOCore
internal import NIOHTTP1

/// The connection with the server. It passes answers to the client's side, on the same thread.
final class ServerSide: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let client: ClientSide
    private var isMalformed = false

    static func install(on channel: any Channel, client context: ChannelHandlerContext, _ client: ClientSide) throws {
        var encoding = HTTPRequestEncoder.Configuration()
        // The client's own framing is passed on. The decoder has checked it.
        encoding.automaticallySetFramingHeaders = false
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPRequestEncoder(configuration: encoding))
        try pipeline.addHandler(
            ByteToMessageHandler(HTTPResponseDecoder(informationalResponseStrategy: .forward)))
        try pipeline.addHandler(ServerSide(client))
    }

    private init(_ client: ClientSide) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { client.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) {
        client.receivedAll()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        client.serverIsWritable(context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.serverEnded(isMalformed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isMalformed = error is HTTPParserError
        context.close(promise: nil)
    }
}
