import GatewayRoutes
import Foundation
import Hashing
import NIOCore
import NIOHTTP1
import NIOPosix
import NetAddress
import Testing

@testable import GatewayProxy

/// The node's proxy for gateways, with pods on the loopback interface.
@Suite(.serialized) struct GatewayProxyTests {
    /// A pod that tells what it was asked, in `name METHOD target` and the request's headers.
    private final class Pod: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let name: String
        private var text = ""
        private var body = 0

        init(_ name: String) { self.name = name }

        static func start(_ name: String) async throws -> any Channel {
            try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(Pod(name))
                    }
                }.bind(host: "127.0.0.1", port: 0).get()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                text = "\(name) \(head.method) \(head.uri)\n"
                for header in head.headers { text += "\(header.name.lowercased())=\(header.value)\n" }
                body = 0
            case .body(let part): body += part.readableBytes
            case .end:
                let buffer = context.channel.allocator.buffer(string: text + "body=\(body)\n")
                let headers: HTTPHeaders = ["Content-Length": "\(buffer.readableBytes)", "X-Pod": name]
                context.write(
                    wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))),
                    promise: nil)
                context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }

    /// All that comes on a connection until it ends.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let done: EventLoopPromise<String>
        private var text = ""
        init(_ done: EventLoopPromise<String>) { self.done = done }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { text += String(buffer: unwrapInboundIn(data)) }
        func channelInactive(context: ChannelHandlerContext) { done.succeed(text) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private func ask(_ port: UInt16, _ request: String) async throws -> String {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = loop.makePromise(of: String.self)
        let connected = ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Collector(done))
            }
        }.connect(host: "127.0.0.1", port: Int(port))
        connected.whenFailure { done.fail($0) }
        let channel = try await connected.get()
        try await channel.writeAndFlush(ByteBuffer(string: request))
        return try await done.futureResult.get()
    }

    private func get(_ port: UInt16, _ target: String, host: String = "a.example.com", more: String = "") async throws
        -> String
    {
        try await ask(port, "GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\(more)Connection: close\r\n\r\n")
    }

    private func freePort() async throws -> UInt16 {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        try await channel.close()
        return try #require(UInt16(exactly: port))
    }

    private func rule(_ service: String, _ path: String = "/") -> GatewayTable.Rule {
        GatewayTable.Rule(
            route: "default/r", match: RequestMatch(path: .init(isExact: false, value: path)),
            backends: [.init(namespace: "default", name: service, port: 80)])
    }

    /// A proxy with some rules for all hosts, and pods of the services `web` and `api`.
    private func proxy(_ rules: [GatewayTable.Rule]) async throws -> (proxy: GatewayProxy, port: UInt16) {
        let port = try await freePort()
        var endpoints: [String: [GatewayProxy.Endpoint]] = ["default/empty:80": []]
        for name in ["web", "api"] {
            let pod = try #require(try await Pod.start(name).localAddress?.port.flatMap { UInt16(exactly: $0) })
            endpoints["default/\(name):80"] = [.init(address: IPv4Address(127, 0, 0, 1), port: pod)]
        }
        endpoints["default/dead:80"] = [.init(address: IPv4Address(127, 0, 0, 1), port: try await freePort())]
        let proxy = GatewayProxy(host: "127.0.0.1") { _ in }
        let table = GatewayTable(listeners: [.init(port: 80, hosts: [.init(name: "*", rules: rules)])])
        proxy.serve(.init(ports: [port: .init(listener: 80, table: table)], endpoints: endpoints))
        let end = ContinuousClock.now + .seconds(10)
        while proxy.ports != [port] {
            try #require(ContinuousClock.now < end, "the port is not open")
            try await Task.sleep(for: .milliseconds(5))
        }
        return (proxy, port)
    }

    @Test func `requests go to the pods of their rule`() async throws {
        let (proxy, port) = try await proxy([rule("api", "/api"), rule("web")])
        defer { proxy.stop() }
        let api = try await get(port, "/api/x?y=1")
        #expect(api.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(api.contains("api GET /api/x?y=1\n"))
        #expect(api.contains("x-forwarded-for=127.0.0.1\n") && api.contains("x-forwarded-proto=http\n"))
        #expect(api.contains("host=a.example.com\n"))
        let web = try await get(port, "/apis", more: "X-Forwarded-For: 10.9.9.9\r\nKeep-Alive: 5\r\n")
        #expect(web.contains("web GET /apis\n"))
        #expect(web.contains("x-forwarded-for=10.9.9.9, 127.0.0.1\n") && !web.contains("keep-alive"))
    }

    @Test func `a connection takes requests for several pods, one after the other`() async throws {
        let (proxy, port) = try await proxy([rule("api", "/api"), rule("web")])
        defer { proxy.stop() }
        let head = "HTTP/1.1\r\nHost: x\r\n"
        let answers = try await ask(
            port,
            "POST /api \(head)Content-Length: 3\r\n\r\nabcGET /web \(head)\r\nGET /none/../x \(head)\r\n")
        let parts = answers.components(separatedBy: "HTTP/1.1 ")
        #expect(parts.count == 4, "\(answers)")
        #expect(parts[1].contains("api POST /api\n") && parts[1].contains("body=3\n"))
        #expect(parts[2].contains("web GET /web\n"))
        #expect(parts[3].hasPrefix("400 ") && parts[3].contains("dot segments"))
    }

    @Test func `what cannot be passed on is answered`() async throws {
        var invalid = rule("web", "/invalid")
        invalid.backends[0].isValid = false
        var moved = rule("web", "/old")
        moved.redirect = .init(scheme: "https", status: 301)
        let (proxy, port) = try await proxy([rule("empty", "/empty"), rule("dead", "/dead"), invalid, moved])
        defer { proxy.stop() }
        #expect(try await get(port, "/none").hasPrefix("HTTP/1.1 404 "))
        #expect(try await get(port, "/invalid").hasPrefix("HTTP/1.1 500 "))
        #expect(try await get(port, "/empty").hasPrefix("HTTP/1.1 503 "))
        #expect(try await get(port, "/dead").hasPrefix("HTTP/1.1 503 "))
        let redirect = try await get(port, "/old/x")
        #expect(redirect.hasPrefix("HTTP/1.1 301 "))
        #expect(redirect.contains("location: https://a.example.com/old/x\r\n"))
        #expect(try await ask(port, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 400 "))
        #expect(try await ask(port, "hello\r\n\r\n").hasPrefix("HTTP/1.1 400 "))
    }

    @Test func `headers and paths are changed`() async throws {
        var changed = rule("web", "/old")
        changed.requestHeaders = .init(
            set: [.init(name: "X-A", value: "1")], add: [.init(name: "X-B", value: "2")], remove: ["X-C"])
        changed.responseHeaders = .init(set: [.init(name: "X-Pod", value: "hidden")])
        changed.rewrite = .init(hostname: "inner", path: .init(isOfPrefix: true, value: "/new"))
        let (proxy, port) = try await proxy([changed])
        defer { proxy.stop() }
        let answer = try await get(port, "/old/x", more: "X-A: 0\r\nX-B: 1\r\nX-C: 3\r\n")
        #expect(answer.contains("web GET /new/x\n") && answer.contains("host=inner\n"))
        #expect(answer.contains("x-a=1\n") && answer.contains("x-b=1\n") && answer.contains("x-b=2\n"))
        #expect(!answer.contains("x-a=0") && !answer.contains("x-c="))
        #expect(answer.contains("X-Pod: hidden\r\n") && !answer.contains("X-Pod: web"))
    }

    @Test func `a large body goes through`() async throws {
        let (proxy, port) = try await proxy([rule("web")])
        defer { proxy.stop() }
        let size = 3_000_000
        let answer = try await ask(
            port,
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\nConnection: close\r\n\r\n"
                + String(repeating: "x", count: size))
        #expect(answer.contains("body=\(size)\n"))
    }

    /// Requests with bytes changed, cut or doubled: each connection ends, and the proxy goes on.
    @Test func `whatever is sent, the proxy goes on`() async throws {
        let (proxy, port) = try await proxy([rule("web")])
        defer { proxy.stop() }
        var random = SplitMix64(seed: 45)
        let whole = Array("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".utf8)
        for _ in 0..<1000 {
            var bytes = whole
            for _ in 0...(random.next() % 4) {
                let index = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.insert(bytes[index], at: index)
                default: if bytes.count > 1 { bytes.remove(at: index) }
                }
            }
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: Int(port)).get()
            try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            try? await channel.close()
        }
        #expect(try await get(port, "/").contains("web GET /\n"))
    }
}
