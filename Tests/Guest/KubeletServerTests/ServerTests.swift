import NIOCore
import Testing

@testable import KubeletServer

@Suite("The server in process", .timeLimit(.minutes(1)))
struct ServerTests {
    @Test("Plain requests")
    func plain() async throws {
        let kubelet = try await PlainKubelet()
        #expect(try await kubelet.get("/healthz") == (200, "ok"))
        kubelet.backend.healthFailures.withLock { $0 = ["no CNI plugin"] }
        #expect(try await kubelet.get("/healthz") == (500, "[-]no CNI plugin\nhealthz check failed"))
        #expect(try await kubelet.get("/pods").body == "{\"kind\":\"PodList\",\"items\":[]}")
        let summary = try await kubelet.get("/stats/summary").body
        #expect(summary.contains("\"workingSetBytes\":1000") && !summary.contains("network"))
        #expect(try await kubelet.get("/metrics").body.contains("\nkubelet_running_pods 1\n"))
        let resources = try await kubelet.get("/metrics/resource").body
        #expect(
            resources.contains(
                "container_cpu_usage_seconds_total{container=\"a\\\"pp\",namespace=\"shop\",pod=\"web\"} 1.5\n"))
        #expect(try await kubelet.get("/nothing").status == 404)
        #expect(try await kubelet.get("/exec/shop/web/app?output=1&command=ls", method: "POST").status == 400)
        #expect(try await kubelet.get("/run/shop/web/app?cmd=echo%20a%20b", method: "POST") == (200, "a b"))
        #expect(try await kubelet.get("/run/shop/web/app?cmd=exit%203", method: "POST").status == 500)
        await kubelet.stop()
    }

    @Test("Strangers are refused before anything else is said")
    func strangers() async throws {
        let kubelet = try await PlainKubelet(user: nil)
        for path in ["/healthz", "/pods", "/nothing"] {
            #expect(try await kubelet.get(path) == (401, "Unauthorized"))
        }
        await kubelet.stop()
        let other = try await PlainKubelet(user: PeerIdentity(user: "system:node:n2", groups: ["system:nodes"]))
        #expect(
            try await other.get("/stats/summary")
                == (403, "Forbidden (user=system:node:n2, verb=get, resource=nodes, subresource=stats)"))
        let client = try await SPDYClient(other, "/exec/shop/web/app?output=1&command=echo")
        #expect(client.head.hasPrefix("HTTP/1.1 403 "))
        await other.stop()
        let admin = try await PlainKubelet(user: PeerIdentity(user: "root", groups: ["system:masters"]))
        #expect(try await admin.get("/pods").status == 200)
        await admin.stop()
    }

    @Test("Logs, and how they are refused")
    func logs() async throws {
        let kubelet = try await PlainKubelet()
        kubelet.backend.log.append("one\ntwo\n".utf8, to: .output, at: LogTime(seconds: 1))
        let path = "/containerLogs/shop/web/app"
        let body = try await kubelet.get("\(path)?tailLines=1").body
        #expect(body == "4\r\ntwo\n\r\n0\r\n\r\n")
        #expect(try await kubelet.get("\(path)?tailLines=-1").status == 422)
        #expect(
            try await kubelet.get("\(path)?previous=true")
                == (400, "previous terminated container \"app\" in pod \"web\" not found"))
        #expect(
            try await kubelet.get("/containerLogs/shop/web/x") == (404, "container \"x\" not found in pod \"web\""))
        #expect(try await kubelet.get("/containerLogs/shop/db/app") == (404, "pod \"db\" does not exist"))
        await kubelet.stop()
    }

    @Test("A followed log comes as it is written")
    func follow() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await TestClient(port: kubelet.port)
        try await client.send("GET /containerLogs/shop/web/app?follow=true HTTP/1.1\r\nHost: n1\r\n\r\n")
        #expect(try await client.head().contains("transfer-encoding: chunked"))
        for line in ["first\n", "second\n"] {
            kubelet.backend.log.append(line.utf8, to: .output, at: LogTime(seconds: 1))
            let chunk = String(decoding: await client.next() ?? [], as: UTF8.self)
            #expect(chunk.contains(line))
        }
        kubelet.backend.log.finish(at: LogTime(seconds: 2))
        #expect(String(decoding: await client.next() ?? [], as: UTF8.self) == "0\r\n\r\n")
        // The connection is there for another request.
        try await client.send("GET /healthz HTTP/1.1\r\nHost: n1\r\n\r\n")
        #expect(try await client.head().hasPrefix("HTTP/1.1 200 "))
        await client.close()
        await kubelet.stop()
    }

    // MARK: SPDY

    @Test("exec: outputs end before the status says the exit", arguments: ["v4", "v3", "v2"])
    func exec(version: String) async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(
            kubelet, "/exec/shop/web/app?output=1&error=1&command=exit&command=3", "\(version).channel.k8s.io")
        #expect(client.head.hasPrefix("HTTP/1.1 101 "))
        #expect(client.head.contains("X-Stream-Protocol-Version: \(version).channel.k8s.io"))
        let error = try await client.open([("streamtype", "error")])
        let output = try await client.open([("streamtype", "stdout")])
        let errors = try await client.open([("streamtype", "stderr")])
        try await client.read()
        #expect(client.replied == [error, output, errors])
        #expect(client.ended == [error, output, errors])
        if version == "v4" {
            #expect(client.text(error).contains("\"reason\":\"NonZeroExitCode\""))
        } else {
            #expect(client.text(error).hasSuffix("exit code 3"))
        }
        #expect(client.others == [.goAway(lastStream: errors, status: 0)])
        await kubelet.stop()
    }

    @Test("exec: 4 MiB go in and come out again")
    func megabytes() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/exec/shop/web/app?input=1&output=1&command=cat")
        let error = try await client.open([("streamtype", "error")])
        let input = try await client.open([("streamtype", "stdin")])
        let output = try await client.open([("streamtype", "stdout")])
        let block = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let writer = SPDYFrameWriter()
        let frame = try writer.bytes(.data(id: input, bytes: ByteBuffer(bytes: block), isLast: false))
        let last = try writer.bytes(.data(id: input, bytes: ByteBuffer(), isLast: true))
        let channel = client.client.channel
        async let written: Void = {
            for _ in 0..<64 { try await channel.writeAndFlush(frame).get() }
            try await channel.writeAndFlush(last).get()
        }()
        try await client.read()
        try await written
        #expect(client.data[output]?.count == 64 * 65_536)
        #expect(client.data[output]?.prefix(65_536).elementsEqual(block) == true)
        #expect(client.text(error).contains("\"Success\""))
        await kubelet.stop()
    }

    @Test("exec: a terminal's size, and a program that is not there")
    func terminal() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/exec/shop/web/app?output=1&tty=1&command=size")
        _ = try await client.open([("streamtype", "error")])
        let output = try await client.open([("streamtype", "stdout")])
        let resize = try await client.open([("streamtype", "resize")])
        try await client.write(Array("{\"Width\":132,\"Height\":43}\n".utf8), on: resize)
        try await client.read()
        #expect(client.text(output) == "132x43")
        let other = try await SPDYClient(kubelet, "/exec/shop/web/app?output=1&command=nonsense")
        let error = try await other.open([("streamtype", "error")])
        _ = try await other.open([("streamtype", "stdout")])
        try await other.read()
        #expect(
            other.text(error).contains(
                "Internal error occurred: error executing command in container: exec: \\\"nonsense\\\": executable file not"
            ))
        await kubelet.stop()
    }

    @Test("exec: refusals are HTTP statuses")
    func execRefusals() async throws {
        let kubelet = try await PlainKubelet()
        for (uri, version, status) in [
            ("/exec/shop/db/app?output=1&command=ls", "v4.channel.k8s.io", 404),
            ("/exec/shop/web/app?command=ls", "v4.channel.k8s.io", 400),
            ("/exec/shop/web/app?output=1&command=ls", "v9.channel.k8s.io", 403),
            ("/portForward/shop/web", "v4.channel.k8s.io", 403), ("/pods", "v4.channel.k8s.io", 405),
        ] {
            let client = try await SPDYClient(kubelet, uri, version)
            #expect(client.head.hasPrefix("HTTP/1.1 \(status) "), "\(uri): \(client.head)")
            await client.client.close()
        }
        await kubelet.stop()
    }

    @Test("exec: a client that opens no streams is not waited for")
    func noStreams() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/exec/shop/web/app?output=1&command=echo")
        _ = try await client.open([("streamtype", "error")])
        try await client.read()
        #expect(client.others == [.goAway(lastStream: 1, status: 0)])
        await kubelet.stop()
    }

    @Test("exec: the command is cancelled when the client goes")
    func gone() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/exec/shop/web/app?output=1&command=wait")
        _ = try await client.open([("streamtype", "error")])
        let output = try await client.open([("streamtype", "stdout")])
        try await client.read { $0.text(output) == "waiting" }
        await client.client.close()
        while !kubelet.backend.cancelled.withLock({ $0 }) { await Task.yield() }
        await kubelet.stop()
    }

    @Test("exec: fifty clients at once")
    func fifty() async throws {
        let kubelet = try await PlainKubelet()
        let texts = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<50 {
                group.addTask {
                    let client = try await SPDYClient(
                        kubelet, "/exec/shop/web/app?output=1&command=echo&command=\(number)")
                    _ = try await client.open([("streamtype", "error")])
                    let output = try await client.open([("streamtype", "stdout")])
                    try await client.read()
                    return client.text(output)
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(texts == Set((0..<50).map { "\($0)" }))
        await kubelet.stop()
    }

    @Test("Pings are answered, and windows are minded once the peer has shown that it knows them")
    func windows() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/exec/shop/web/app?input=1&output=1&command=cat")
        try await client.send(.ping(id: 1))
        try await client.send(.settings([.init(id: SPDYFrame.Setting.initialWindow, value: 10)]))
        let error = try await client.open([("streamtype", "error")])
        let input = try await client.open([("streamtype", "stdin")])
        let output = try await client.open([("streamtype", "stdout")])
        try await client.send(.windowUpdate(id: error, delta: 1000))
        try await client.write(Array("0123456789abcdef".utf8), on: input)
        try await client.read { $0.data[output]?.count == 10 }
        try await client.send(.windowUpdate(id: output, delta: 3))
        try await client.read { $0.data[output]?.count == 13 }
        #expect(client.text(output) == "0123456789abc")
        try await client.send(.windowUpdate(id: output, delta: 100))
        try await client.write([], on: input, isLast: true)
        try await client.read()
        #expect(client.text(output) == "0123456789abcdef")
        #expect(client.others.contains(.ping(id: 1)))
        #expect(client.others.contains(.windowUpdate(id: input, delta: 16)))
        await kubelet.stop()
    }

    @Test("attach: what is written from then on")
    func attach() async throws {
        let kubelet = try await PlainKubelet()
        kubelet.backend.log.append("before\n".utf8, to: .output, at: LogTime(seconds: 1))
        let client = try await SPDYClient(kubelet, "/attach/shop/web/app?output=1&error=1")
        let error = try await client.open([("streamtype", "error")])
        let output = try await client.open([("streamtype", "stdout")])
        let errors = try await client.open([("streamtype", "stderr")])
        try await client.read { $0.replied.count == 3 }
        // It listens soon after; until then nothing comes of what is written.
        while client.text(output).isEmpty {
            kubelet.backend.log.append(">".utf8, to: .output, at: LogTime(seconds: 1))
            try await client.send(.ping(id: 1))
            let pings = client.others.count
            try await client.read { $0.others.count > pings || !$0.text(output).isEmpty }
        }
        kubelet.backend.log.append("!".utf8, to: .errors, at: LogTime(seconds: 1))
        kubelet.backend.log.finish(at: LogTime(seconds: 1))
        try await client.read()
        #expect(!client.text(output).contains("before") && client.text(errors) == "!")
        #expect(client.text(error).contains("Success"))
        await kubelet.stop()
    }

    @Test("port-forward: two connections, and one that is refused")
    func portForward() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await SPDYClient(kubelet, "/portForward/shop/web", "portforward.k8s.io")
        #expect(client.head.contains("X-Stream-Protocol-Version: portforward.k8s.io"))
        func open(_ port: String, _ request: String) async throws -> (error: UInt32, data: UInt32) {
            let error = try await client.open([("streamtype", "error"), ("port", port), ("requestid", request)])
            let data = try await client.open([("streamtype", "data"), ("port", port), ("requestid", request)])
            return (error, data)
        }
        let first = try await open("80", "0")
        let second = try await open("81", "1")
        let refused = try await open("1", "2")
        try await client.write(Array("one".utf8), on: first.data)
        try await client.write(Array("two".utf8), on: second.data)
        try await client.read {
            $0.text(first.data) == "one" && $0.text(second.data) == "two" && $0.ended.contains(refused.data)
        }
        #expect(
            client.text(refused.error)
                == "error forwarding port 1 to pod web, uid : connect: connection refused")
        try await client.write([], on: first.data, isLast: true)
        try await client.read { $0.ended.contains(first.data) && $0.ended.contains(first.error) }
        #expect(!client.ended.contains(second.data))
        let wrong = try await client.open([("streamtype", "data"), ("port", "0"), ("requestid", "9")])
        try await client.read { $0.reset[wrong] != nil }
        await client.client.close()
        await kubelet.stop()
    }

    // MARK: WebSocket

    @Test("exec over WebSocket: input, output, exit status")
    func webSocket() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await TestClient(port: kubelet.port)
        try await client.send(
            "GET /exec/shop/web/app?input=1&output=1&command=cat HTTP/1.1\r\nHost: n1\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                + "Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n\r\n")
        let head = try await client.head()
        #expect(head.hasPrefix("HTTP/1.1 101 "), "\(head)")
        #expect(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        #expect(head.contains("Sec-WebSocket-Protocol: v5.channel.k8s.io"))
        try await client.send(WebSocketTests.frame(2, [0] + Array("hello".utf8)))
        try await client.send(WebSocketTests.frame(2, [255, 0]))
        var bytes: [UInt8] = []
        while let more = await client.next() {
            bytes += more
            // The closing frame is answered, as a client does.
            if bytes.suffix(4).elementsEqual([0x88, 2, 3, 232]) {
                try await client.send(WebSocketTests.frame(8, [3, 232]))
            }
        }
        #expect(bytes.starts(with: [0x82, 1, 1, 0x82, 6, 1] + Array("hello".utf8) + [0x82]))
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"Success\""))
        await kubelet.stop()
    }

    @Test("A WebSocket client whose protocols are not served is refused")
    func webSocketRefused() async throws {
        let kubelet = try await PlainKubelet()
        let client = try await TestClient(port: kubelet.port)
        try await client.send(
            "GET /portForward/shop/web?port=80 HTTP/1.1\r\nHost: n1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                + "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n")
        #expect(try await client.head().hasPrefix("HTTP/1.1 403 "))
        await client.close()
        await kubelet.stop()
    }
}
