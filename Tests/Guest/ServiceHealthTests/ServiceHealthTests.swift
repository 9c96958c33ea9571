import Hashing
import NIOCore
import NIOPosix
import PortListeners
import Synchronization
import Testing

@testable import ServiceHealth

/// What load balancers are told of services.
@Suite(.serialized) struct ServiceHealthTests {
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

    private func wait(_ what: String, _ condition: () -> Bool) async {
        let end = ContinuousClock.now + .seconds(10)
        while !condition() {
            guard ContinuousClock.now < end else {
                Issue.record("no \(what)")
                return
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// A port that is free now.
    private func freePort() async throws -> UInt16 {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        try await channel.close()
        return try #require(UInt16(exactly: port))
    }

    private let web = ServiceHealth(namespace: "default", name: "web", localEndpoints: 2)

    @Test func `a node with pods says 200, one without 503`() async throws {
        let port = try await freePort()
        let server = ServiceHealthServer(host: "127.0.0.1") { _ in }
        defer { server.stop() }
        server.serve([port: web])
        await wait("open port") { server.ports == [port] }
        let well = try await ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(well.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(well.contains("X-Load-Balancing-Endpoint-Weight: 2\r\n"))
        #expect(well.hasSuffix(#"{"localEndpoints":2,"service":{"name":"web","namespace":"default"}}"#))
        var none = web
        none.localEndpoints = 0
        server.serve([port: none])
        let ill = try await ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(ill.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(ill.contains(#""localEndpoints":0"#))
        let head = try await ask(port, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 503") && head.hasSuffix("\r\n\r\n"))
    }

    @Test func `ports come and go with their services`() async throws {
        let (first, second) = (try await freePort(), try await freePort())
        let server = ServiceHealthServer(host: "127.0.0.1") { _ in }
        defer { server.stop() }
        server.serve([first: web])
        await wait("first port") { server.ports == [first] }
        server.serve([second: web])
        await wait("second port") { server.ports == [second] }
        await #expect(throws: (any Error).self) { try await ask(first, "GET / HTTP/1.1\r\n\r\n") }
        // Gone and back at once, it is open again.
        server.serve([:])
        server.serve([second: web])
        await wait("second port again") { server.ports == [second] }
        #expect(try await ask(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        server.serve([:])
        #expect(server.ports.isEmpty)
    }

    @Test func `a port that somebody else has is told once and tried again`() async throws {
        let other = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(other.localAddress?.port.flatMap { UInt16(exactly: $0) })
        let told = NoticeBox()
        let server = ServiceHealthServer(host: "127.0.0.1") { told.take($0) }
        defer { server.stop() }
        server.serve([port: web])
        await wait("failure") { told.failures == 1 }
        server.serve([port: web])
        try await other.close()
        await wait("open port") { server.ports == [port] }
        #expect(told.failures == 1)
    }

    private final class NoticeBox: Sendable {
        private let notices = Mutex<[PortListeners.Notice]>([])
        func take(_ notice: PortListeners.Notice) { notices.withLock { $0.append(notice) } }
        var failures: Int {
            notices.withLock { notices in
                notices.count { if case .failed = $0 { true } else { false } }
            }
        }
    }

    /// 2,000 requests with bytes changed, cut or doubled: each connection ends, and the server goes on.
    @Test func `whatever is sent, the server goes on`() async throws {
        let port = try await freePort()
        let server = ServiceHealthServer(host: "127.0.0.1") { _ in }
        defer { server.stop() }
        server.serve([port: web])
        await wait("open port") { server.ports == [port] }
        var random = SplitMix64(seed: 43)
        let whole = Array("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".utf8)
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0...(random.next() % 4) {
                let index = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.insert(bytes[index], at: index)
                default: if bytes.count > 1 { bytes.remove(at: index) }
                }
            }
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let channel = try await ClientBootstrap(group: loop).connect(host: "127.0.0.1", port: Int(port)).get()
            try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            try? await channel.close()
        }
        #expect(try await ask(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    }
}
