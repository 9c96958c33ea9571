import NIOCore
import NIOHTTP1
import NIOPosix
import TLS

/// Answers `/healthz` and `/metrics` on 127.0.0.1, over TLS.
final class HealthServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel

    private init(_ group: MultiThreadedEventLoopGroup, _ channel: any Channel) {
        self.group = group
        self.channel = channel
    }

    static func start(_ configuration: ServerConfiguration, _ page: HealthPage) async throws -> HealthServer {
        let context = try TLSContext(
            serverChainPEM: configuration.servingCertificatePEM, keyPEM: configuration.servingKeyPEM,
            clientAuthorityPEM: nil)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(server: context))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(HealthHandler(page))
                }
            }
            .bind(host: "127.0.0.1", port: Int(configuration.healthPort)).get()
        return HealthServer(group, channel)
    }

    func stop() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}

private final class HealthHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let page: HealthPage
    private var path = ""

    init(_ page: HealthPage) { self.page = page }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): path = String(head.uri.prefix { $0 != "?" })
        case .body: break
        case .end: answer(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ context: ChannelHandlerContext) {
        let (status, text): (Int, String) =
            switch path {
            case "/healthz", "/readyz", "/livez": page.answer
            case "/metrics": (200, page.metrics)
            default: (404, "404 page not found")
            }
        let body = context.channel.allocator.buffer(string: text)
        let headers: HTTPHeaders = [
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": "\(body.readableBytes)",
        ]
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
