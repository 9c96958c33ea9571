import NIOCore
import NIOHTTP1
import Testing

@testable import KubeClient

@Suite struct ConnectionPoolTests {
    private let limit = Duration.seconds(10)

    @Test func `requests one after the other share a connection`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        let client = server.client()
        for _ in 0..<20 { _ = try await client.send(KubeRequest(path: "/"), within: limit) }
        #expect(server.connections == 1 && server.received.count == 20)
        await client.close()
        try await eventually("the connection ends") { server.openConnections == 0 }
        let error = await failure { try await client.send(KubeRequest(path: "/"), within: limit) }
        #expect(error == .unreachable("the client is closed"))
    }

    @Test func `requests at the same time share a few connections`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        var limits = KubeClientLimits()
        limits.connections = 3
        let client = server.client(limits: limits)
        let answered = try await withThrowingTaskGroup(of: Int.self) { tasks in
            for _ in 0..<100 {
                tasks.addTask { try await client.send(KubeRequest(path: "/"), within: .seconds(10)).status }
            }
            return try await tasks.reduce(0) { $0 + ($1 == 200 ? 1 : 0) }
        }
        #expect(answered == 100 && server.received.count == 100)
        #expect((1...3).contains(server.peakConnections))
    }

    @Test func `those that wait have a deadline and a bound`() async throws {
        let server = try ScriptedServer { _ in [] }
        var limits = KubeClientLimits()
        limits.connections = 1
        limits.waiting = 1
        let client = server.client(limits: limits)
        async let first = failure { try await client.send(KubeRequest(path: "/1"), within: .seconds(3)) }
        try await eventually("the first is there") { server.received.count == 1 }
        async let second = failure { try await client.send(KubeRequest(path: "/2"), within: .seconds(1)) }
        async let third = failure { try await client.send(KubeRequest(path: "/3"), within: .seconds(1)) }
        let words = await [second, third].map { "\(String(describing: $0))" }.sorted()
        #expect(words[0].contains("1 requests wait for a connection"))
        #expect(words[1].contains("waited for a free connection"))
        #expect(await first?.kind == "timedOut")
        #expect(server.received.count == 1)
    }

    /// The server ends connections after each answer without saying so.
    @Test func `a request that reads is sent again when its connection had ended`() async throws {
        let server = try ScriptedServer { received in
            // The second request of a connection finds it ended.
            received.index == 1 ? [.cut] : [.answer("{}")]
        }
        let client = server.client()
        _ = try await client.send(KubeRequest(path: "/"), within: limit)
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 200)
        #expect(server.received.count == 3 && server.connections == 2)
    }

    @Test func `a request that writes is not sent again`() async throws {
        let server = try ScriptedServer { received in received.index == 1 ? [.cut] : [.answer("{}")] }
        let client = server.client()
        _ = try await client.send(KubeRequest(path: "/"), within: limit)
        let error = await failure { try await client.send(KubeRequest(method: "POST", path: "/"), within: limit) }
        #expect(error?.kind == "unreachable")
        #expect(server.received.count == 2)
    }

    @Test func `a connection that the server ends is not used again`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}", headers: ["Connection: close"]), .cut] }
        let client = server.client()
        for _ in 0..<5 {
            #expect(try await client.send(KubeRequest(method: "POST", path: "/"), within: limit).status == 200)
        }
        #expect(server.connections == 5)
        try await eventually("all end") { server.openConnections == 0 }
    }

    @Test func `an idle connection ends after its time`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        var limits = KubeClientLimits()
        limits.idle = .milliseconds(50)
        let client = server.client(limits: limits)
        _ = try await client.send(KubeRequest(path: "/"), within: limit)
        try await eventually("it ends") { server.openConnections == 0 }
        _ = try await client.send(KubeRequest(path: "/"), within: limit)
        #expect(server.connections == 2)
    }

    @Test func `a cancelled request ends its connection, and others go on`() async throws {
        let server = try ScriptedServer { received in received.path == "/slow" ? [] : [.answer("{}")] }
        var limits = KubeClientLimits()
        limits.connections = 1
        let client = server.client(limits: limits)
        let slow = Task { try await client.send(KubeRequest(path: "/slow"), within: .seconds(60)) }
        try await eventually("it is there") { server.received.count == 1 }
        async let other = client.send(KubeRequest(path: "/"), within: limit)
        slow.cancel()
        await #expect(throws: CancellationError.self) { try await slow.value }
        #expect(try await other.status == 200)
    }

    /// For a moment a connection is not active any more, and its end has not been told. As when a server is killed, a
    /// request comes in this moment.
    @Test func `connections that end leave their places to others`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        var limits = KubeClientLimits()
        limits.connections = 1
        let client = server.client(limits: limits)
        _ = try await client.send(KubeRequest(path: "/"), within: limit)
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["Host": "localhost"])
        let exchange = Exchange(client.network, head, body: [], shape: .whole(limit: 1000))
        try await client.network.loop.submit {
            // The pool takes it in the loop's next task, and the end is told in the one after that.
            client.pool.begin(exchange, until: .now() + .seconds(5))
            #expect(client.pool.idle.count == 1)
            for (channel, _) in client.pool.idle { channel.close(promise: nil) }
        }.get()
        #expect(try await exchange.answer.futureResult.get().status == 200)
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 200)
        #expect(server.connections == 2)
    }

    @Test func `a client that nobody has any more ends its connections`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        var client: KubeClient? = server.client()
        _ = try await client?.send(KubeRequest(path: "/"), within: limit)
        #expect(server.openConnections == 1)
        client = nil
        try await eventually("the connection ends") { server.openConnections == 0 }
    }
}
