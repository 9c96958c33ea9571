import Hashing
import JSON
@testable import KubeClient
import Testing

@Suite struct WatchTests {
    private let limit = Duration.seconds(10)

    private func line(_ type: String, _ name: String, _ version: Int) -> String {
        #"{"type":"\#(type)","object":{"kind":"Pod","metadata":{"name":"\#(name)","resourceVersion":"\#(version)"}}}"#
            + "\n"
    }

    @Test func `events come in pieces, until the server ends the watch`() async throws {
        let text = line("ADDED", "a", 5) + "\n" + line("BOOKMARK", "", 7) + line("DELETED", "é", 9)
        let octets = Array(text.utf8)
        let server = try ScriptedServer { _ in
            // Chunks end anywhere, also in the middle of a character.
            let pieces = stride(from: 0, to: octets.count, by: 7).map { Array(octets[$0..<min($0 + 7, octets.count)]) }
            return [.beginChunks]
                + pieces.map { .bytes(Array("\(String($0.count, radix: 16))\r\n".utf8) + $0 + Array("\r\n".utf8)) }
                + [.endChunks]
        }
        var events: [WatchEvent] = []
        for try await event in server.client().watch(
            .pods, namespace: "n", labelSelector: "a=b", fieldSelector: "spec.nodeName=x", from: "4", seconds: 9)
        {
            events.append(event)
        }
        #expect(events.map(\.kind) == [.added, .bookmark, .deleted])
        #expect(events.map(\.resourceVersion) == ["5", "7", "9"])
        #expect(try events[2].object.json()["metadata"]?["name"]?.text == "é")
        let received = try #require(server.received.first)
        #expect(received.path == "/api/v1/namespaces/n/pods")
        #expect(
            received.query == [
                "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "4", "timeoutSeconds": "9",
                "labelSelector": "a%3Db", "fieldSelector": "spec.nodeName%3Dx",
            ])
        try await eventually("its connection ends") { server.openConnections == 0 }
    }

    private func events(_ server: ScriptedServer, limits: KubeClientLimits = .init()) async -> (
        [WatchEvent], KubeClientError?
    ) {
        var events: [WatchEvent] = []
        do {
            for try await event in server.client(limits: limits).watch(.pods, from: "1") { events.append(event) }
            return (events, nil)
        } catch {
            return (events, error as? KubeClientError)
        }
    }

    @Test func `an expired version is the server's refusal, as status and as event`() async throws {
        let status = #"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#
        let refusing = try ScriptedServer { _ in [.answer(410, status)] }
        #expect(await events(refusing).1?.status?.isExpired == true)
        let added = line("ADDED", "a", 2)
        let later = try ScriptedServer { _ in
            [.beginChunks, .chunk(added + #"{"type":"ERROR","object":\#(status)}"# + "\n"), .follow]
        }
        let (seen, error) = await events(later)
        #expect(seen.count == 1 && error?.status == KubeStatus(code: 410, reason: "Expired", message: "too old"))
    }

    @Test func `a lost connection is unreachable, after what had come`() async throws {
        let added = line("ADDED", "a", 2)
        let server = try ScriptedServer { _ in [.beginChunks, .chunk(added + #"{"type":"ADD"#), .cut] }
        let (seen, error) = await events(server)
        #expect(seen.count == 1)
        #expect(error?.kind == "unreachable")
    }

    @Test(arguments: [
        "nonsense\n", "{}\n", #"{"type":"ADDED"}"# + "\n", #"{"type":"OTHER","object":{}}"# + "\n", "[1]\n",
        #"{"type":"ADDED","object":[]}"# + "\n", #"{"type":"ADDED","object":{"#,
    ])
    func `what is no event is malformed`(text: String) async throws {
        let server = try ScriptedServer { _ in
            [.beginChunks, .chunk(text)] + (text.hasSuffix("\n") ? [.follow] : [.text("zz\r\n")])
        }
        let (seen, error) = await events(server)
        #expect(error?.kind == "malformed")
        #expect(seen.isEmpty)
        try await eventually("its connection ends") { server.openConnections == 0 }
    }

    @Test func `a line has a bound`() async throws {
        let server = try ScriptedServer { _ in [.beginChunks, .chunk(String(repeating: "x", count: 2000)), .follow] }
        var limits = KubeClientLimits()
        limits.event = 1000
        let (_, error) = await events(server, limits: limits)
        #expect(error == .malformed("a line of more than 1000 octets"))
    }

    @Test func `what nobody takes is not read`() async throws {
        let server = try ScriptedServer { _ in [.beginChunks, .follow] }
        var limits = KubeClientLimits()
        limits.unreadEvents = 10_000
        let client = server.client(limits: limits)
        let stream = try await client.lines(
            of: KubeRequest(path: "/"), within: limit, lifetime: .seconds(60))
        try await eventually("the stream") { server.streams == 1 }
        let line = String(repeating: "x", count: 9_999) + "\n"
        for _ in 0..<3_000 { server.push(line) }
        var taken = 0
        var largest = 0
        while taken < 3_000 {
            let lines = try await stream.next()
            taken += lines.count
            largest = max(largest, lines.count)
        }
        // One read of the socket may bring more than is allowed, but not 30 MB.
        #expect(largest < 300)
        server.endStreams()
        #expect(try await stream.next().isEmpty)
    }

    @Test func `a watch that is dropped or cancelled ends its connection`() async throws {
        let server = try ScriptedServer { _ in [.beginChunks, .follow] }
        let client = server.client()
        let task = Task { for try await _ in client.watch(.pods, from: "1") {} }
        try await eventually("it is there") { server.streams == 1 }
        task.cancel()
        _ = await task.result
        try await eventually("it ends") { server.openConnections == 0 }
        let first = line("ADDED", "a", 2)
        let other = try ScriptedServer { _ in [.beginChunks, .chunk(first), .follow] }
        for try await _ in other.client().watch(.pods, from: "1") { break }
        try await eventually("it ends") { other.openConnections == 0 }
    }

    @Test func `watches need no connection of the pool, and end with the client`() async throws {
        let server = try ScriptedServer { received in
            received.query["watch"] == nil ? [.answer("{}")] : [.beginChunks, .follow]
        }
        var limits = KubeClientLimits()
        limits.connections = 1
        let client = server.client(limits: limits)
        let tasks = (0..<5).map { _ in
            Task { await failure { for try await _ in client.watch(.pods, from: "1") {} } }
        }
        try await eventually("all are there") { server.streams == 5 }
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 200)
        await client.close()
        for task in tasks { #expect(await task.value == .unreachable("the client is closed")) }
        try await eventually("all end") { server.openConnections == 0 }
    }

    @Test func `a server that does not begin is given up`() async throws {
        let server = try ScriptedServer { _ in [] }
        let error = await failure {
            for try await _ in server.client().watch(.pods, from: "1", within: .milliseconds(100)) {}
        }
        #expect(error?.kind == "timedOut")
    }

    @Test func `a watch that the server forgets to end is ended`() async throws {
        let server = try ScriptedServer { _ in [.beginChunks, .follow] }
        let client = server.client()
        let stream = try await client.lines(
            of: KubeRequest(path: "/"), within: limit, lifetime: .milliseconds(100))
        let error = await failure { try await stream.next() }
        #expect(error == .timedOut("the server did not end the stream when it should"))
    }

    @Test func `mutated events and refusals never trap`() throws {
        var random = SplitMix64(seed: 5)
        let event = Array(line("MODIFIED", "a", 12).dropLast().utf8)
        let status = Array(
            (#"{"kind":"Status","metadata":{},"status":"Failure","message":"m","reason":"Conflict","code":409,"#
                + #""details":{"name":"a","causes":[{"reason":"r"}],"retryAfterSeconds":1}}"#).utf8)
        let page = Array(
            #"{"metadata":{"resourceVersion":"1","continue":"c"},"items":[{"metadata":{"name":"a"}},{}]}"#.utf8)
        var read = 0
        for turn in 0..<10_000 {
            for whole in [event, status, page] {
                var octets = whole
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    octets[Int.random(in: 0..<octets.count, using: &random)] =
                        turn % 2 == 0
                        ? .random(in: 0...255, using: &random)
                        : whole[Int.random(in: 0..<whole.count, using: &random)]
                }
                if turn % 4 == 0 { octets = Array(octets.prefix(.random(in: 0...octets.count, using: &random))) }
                if let event = try? WatchEvent(line: octets) {
                    read += 1
                    #expect(event.object.octets.first == UInt8(ascii: "{"))
                }
                let refusal = KubeCoding.status(of: KubeResponse(status: 500, body: octets))
                #expect(refusal.message.utf8.count <= 3 * 512)
                if let page = try? KubeListPage(octets) { #expect(page.items.count <= octets.count) }
            }
        }
        #expect(read > 1000)
    }

    @Test func `lines are cut at any place`() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<200 {
            var queue = LineQueue(limit: 50)
            let text = (0..<20).map { _ in String(repeating: "x", count: .random(in: 0...50, using: &random)) }
            var rest = Array((text.joined(separator: "\n") + "\n").utf8)[...]
            var lines: [String] = []
            while !rest.isEmpty {
                let count = Int.random(in: 0...rest.count, using: &random)
                try queue.append(rest.prefix(count))
                rest = rest.dropFirst(count)
                if Bool.random(using: &random) {
                    lines += try queue.take()?.get().map { String(decoding: $0, as: UTF8.self) } ?? []
                }
            }
            lines += try queue.take()?.get().map { String(decoding: $0, as: UTF8.self) } ?? []
            #expect(lines == text.filter { !$0.isEmpty } && queue.octets == 0 && queue.take() == nil)
        }
    }
}
