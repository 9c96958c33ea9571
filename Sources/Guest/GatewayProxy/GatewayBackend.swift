import NIOCore
import NIOHTTP1

/// The connection with a pod. It passes answers to the client's side, on the same thread.
final class GatewayBackend: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let client: GatewayClient
    private var isMalformed = false

    static func install(on channel: any Channel, client: GatewayClient) throws {
        var encoding = HTTPRequestEncoder.Configuration()
        // The client's own framing is passed on. The decoder has checked it.
        encoding.automaticallySetFramingHeaders = false
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPRequestEncoder(configuration: encoding))
        try pipeline.addHandler(
            ByteToMessageHandler(HTTPResponseDecoder(informationalResponseStrategy: .forward)))
        try pipeline.addHandler(GatewayBackend(client))
    }

    private init(_ client: GatewayClient) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.received(unwrapInboundIn(data), from: context.channel)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        client.receivedAll()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        client.isWritable(context.channel, context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.ended(context.channel, isMalformed: isMalformed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isMalformed = error is HTTPParserError
        context.close(promise: nil)
    }
}
