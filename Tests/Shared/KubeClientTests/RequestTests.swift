import Foundation
import JSON
import KubeClient
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite struct RequestTests {
    private let limit = Duration.seconds(10)

    @Test func `a request says who asks, and gets the answer`() async throws {
        let server = try ScriptedServer { _ in [.answer(201, #"{"a":1}"#, headers: ["X-Y: z"])] }
        let response = try await server.client().send(
            KubeRequest(
                method: "POST", path: "/api/v1/pods", query: [("a b", "c&d"), ("e", "")], body: Array("{}".utf8),
                contentType: "application/json"), within: limit)
        #expect(response.status == 201 && response.header("x-y") == "z" && response.body == Array(#"{"a":1}"#.utf8))
        let received = try #require(server.received.first)
        #expect(received.method == "POST" && received.path == "/api/v1/pods" && received.body == "{}")
        #expect(received.query == ["a%20b": "c%26d", "e": ""])
        #expect(received.headers.first(name: "authorization") == "Bearer t")
        #expect(received.headers.first(name: "user-agent") == "test")
        #expect(received.headers.first(name: "content-type") == "application/json")
        #expect(received.headers.first(name: "host") == "127.0.0.1:\(server.port)")
    }

    @Test func `verbs are requests`() async throws {
        let server = try ScriptedServer { _ in [.answer(#"{"metadata":{"name":"a"}}"#)] }
        let client = server.client()
        let body = KubeBody(.object(["a": .integer(1)]))
        let value = try await client.get(.pods, namespace: "n", name: "a", as: JSONValue.self, within: limit)
        #expect(value["metadata"]?["name"]?.text == "a")
        try await client.create(.pods, namespace: "n", name: "a", subresource: "binding", body, within: limit)
        try await client.replace(.leases, namespace: "n", name: "a", body, within: limit)
        for kind: KubePatch in [.merge, .strategicMerge, .json, .apply(fieldManager: "m", force: true)] {
            try await client.patch(.nodes, name: "a", subresource: "status", kind, body, within: limit)
        }
        try await client.delete(
            .pods, namespace: "n", name: "a", gracePeriod: 0, propagation: "Orphan", uid: "u", within: limit)
        let received = server.received
        #expect(
            received.map { "\($0.method) \($0.path)" } == [
                "GET /api/v1/namespaces/n/pods/a", "POST /api/v1/namespaces/n/pods/a/binding",
                "PUT /apis/coordination.k8s.io/v1/namespaces/n/leases/a",
            ] + Array(repeating: "PATCH /api/v1/nodes/a/status", count: 4) + ["DELETE /api/v1/namespaces/n/pods/a"])
        #expect(
            received[3...6].map { $0.headers.first(name: "content-type") } == [
                "application/merge-patch+json", "application/strategic-merge-patch+json",
                "application/json-patch+json", "application/apply-patch+yaml",
            ])
        #expect(received[6].query == ["fieldManager": "m", "force": "true"] && received[6].body == #"{"a":1}"#)
        #expect(
            received[7].body
                == #"{"apiVersion":"v1","gracePeriodSeconds":0,"kind":"DeleteOptions","preconditions":{"uid":"u"},"#
                + #""propagationPolicy":"Orphan"}"#)
    }

    @Test func `a refusal has the server's words`() async throws {
        let body =
            #"{"kind":"Status","status":"Failure","message":"pods \"a\" not found","reason":"NotFound","code":404,"#
            + #""details":{"name":"a","kind":"pods","causes":[{"reason":"x","message":"m","field":"f"}]}}"#
        let server = try ScriptedServer { received in
            received.path.hasSuffix("b") ? [.answer(502, "<html>bad gateway")] : [.answer(404, body)]
        }
        let client = server.client()
        let first = await failure {
            try await client.get(.pods, namespace: "n", name: "a", as: JSONValue.self, within: limit)
        }
        let status = try #require(first?.status)
        #expect(status.isNotFound && status.reason == "NotFound" && status.details?.causes?.first?.field == "f")
        #expect("\(status)" == #"NotFound (404): pods "a" not found"#)
        let second = await failure {
            try await client.get(.pods, namespace: "n", name: "b", as: JSONValue.self, within: limit)
        }
        #expect(second?.status == KubeStatus(code: 502, reason: "", message: "<html>bad gateway"))
    }

    @Test func `an answer that is no JSON is malformed`() async throws {
        let server = try ScriptedServer { _ in [.answer("{")] }
        let error = await failure {
            try await server.client().get(.nodes, name: "a", as: JSONValue.self, within: limit)
        }
        #expect(error?.kind == "malformed")
    }

    @Test func `a busy server is asked again when it says so`() async throws {
        let server = try ScriptedServer { received in
            received.index == 0 ? [.answer(429, "{}", headers: ["Retry-After: 0"])] : [.answer("{}")]
        }
        let client = server.client()
        _ = try await client.get(.nodes, name: "a", as: JSONValue.self, within: limit)
        #expect(server.received.count == 2)
        // There is no time to ask again.
        let other = try ScriptedServer { _ in [.answer(429, "{}", headers: ["Retry-After: 60"])] }
        let error = await failure {
            try await other.client().get(.nodes, name: "a", as: JSONValue.self, within: limit)
        }
        #expect(error?.status?.code == 429 && other.received.count == 1)
    }

    @Test(arguments: [("GET", "/a b"), ("GET", "a"), ("GET", "/a\r\nX: y"), ("GET", "/é"), ("G T", "/"), ("GET", "")])
    func `what cannot be written as a request is not sent`(method: String, path: String) async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        let error = await failure {
            try await server.client().send(KubeRequest(method: method, path: path), within: limit)
        }
        #expect(error?.kind == "malformed" && server.connections == 0)
    }

    @Test func `a message has a bound`() async throws {
        let long = String(repeating: "é", count: 100_000)
        let server = try ScriptedServer { _ in [.answer(422, #"{"reason":"Invalid","message":"\#(long)"}"#)] }
        let error = await failure {
            try await server.client().get(.nodes, name: "a", as: JSONValue.self, within: limit)
        }
        #expect(error?.status?.message.count == 16_384 && error?.status?.code == 422)
    }

    // MARK: Mishaps

    @Test func `silence ends with the deadline, and says how far it was`() async throws {
        let server = try ScriptedServer { _ in [] }
        let error = await failure {
            try await server.client().send(KubeRequest(path: "/"), within: .seconds(2))
        }
        #expect(error == .timedOut("127.0.0.1:\(server.port): the request was sent, no answer came"))
        try await eventually("the connection ends") { server.openConnections == 0 }
    }

    /// As where the server hangs, or where its certificate is too large for the way.
    @Test func `a handshake that does not end is told apart from a request without an answer`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let silent = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(silent.localAddress?.port ?? 0)
        let server = KubeServer(
            host: "127.0.0.1", port: port, authorityPEM: TestCertificates.authority, credential: .token("t"))
        let client = KubeClient(server, userAgent: "t")
        let words = "127.0.0.1:\(port): the connection was established, TLS's handshake was not done"
        let error = await failure { try await client.send(KubeRequest(path: "/"), within: .milliseconds(500)) }
        #expect(error == .timedOut(words))
        let watch = await failure {
            for try await _ in client.watch(.pods, from: "1", within: .milliseconds(500)) {}
        }
        #expect(watch == .timedOut(words))
        await client.close()
        try await silent.close()
        try await group.shutdownGracefully()
    }

    @Test func `nobody there is unreachable`() async throws {
        let server = try ScriptedServer { _ in [] }
        var address = server.address()
        // Nothing listens at this address of the loopback interface.
        address.host = "127.77.0.1"
        let error = await failure {
            try await KubeClient(address, userAgent: "t").send(KubeRequest(path: "/"), within: limit)
        }
        #expect(error == .unreachable("127.77.0.1:\(server.port): Connection refused"))
        address.host = "no.name"
        let second = await failure {
            try await KubeClient(address, userAgent: "t").send(KubeRequest(path: "/"), within: limit)
        }
        #expect(second == .unreachable("no.name:\(server.port) is no address"))
    }

    @Test func `a namespace that is none is unreachable`() async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        for descriptor: Int32 in [-1, 0] {
            let client = KubeClient(server.address(), userAgent: "t", in: descriptor)
            let error = await failure { try await client.send(KubeRequest(path: "/"), within: limit) }
            #expect(error?.kind == "unreachable")
            await client.close()
        }
        #expect(server.connections == 0)
    }

    @Test(arguments: [
        (["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], true, "unreachable"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"], true, "unreachable"),
        ([], true, "unreachable"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n"], false, "malformed"),
        (["nonsense\r\n\r\n"], false, "malformed"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"], false, "malformed"),
        (["HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 100_000)], false, "malformed"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + String(repeating: "x", count: 2000)], false, "malformed"),
        (["HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 2000)], true, "malformed"),
    ])
    func `answers that are cut, broken or too long`(pieces: [String], cut: Bool, kind: String) async throws {
        let server = try ScriptedServer { _ in pieces.map { .text($0) } + (cut ? [.cut] : []) }
        var limits = KubeClientLimits()
        limits.body = 1000
        let client = server.client(limits: limits)
        let error = await failure { try await client.send(KubeRequest(method: "POST", path: "/"), within: limit) }
        #expect(error?.kind == kind)
        // The next request has a connection of its own.
        _ = await failure { try await client.send(KubeRequest(method: "POST", path: "/"), within: limit) }
        #expect(server.connections == 2)
    }

    // MARK: Who is who

    @Test(arguments: [
        (TestCertificates.server, TestCertificates.otherAuthority, "unable to get local issuer certificate"),
        (TestCertificates.expired, TestCertificates.authority, "certificate has expired"),
        (TestCertificates.elsewhere, TestCertificates.authority, "IP address mismatch"),
        (TestCertificates.server, "nonsense", ""), (TestCertificates.server, "", ""),
    ])
    func `a server that cannot prove who it is gets no request`(
        identity: TestCertificates.Pair, authority: String, words: String
    ) async throws {
        let server = try ScriptedServer(identity) { _ in [.answer("{}")] }
        let error = await failure {
            try await server.client(authority: authority).send(KubeRequest(path: "/"), within: limit)
        }
        #expect(error?.kind == "tls")
        #expect(words.isEmpty || error == .tls("127.0.0.1:\(server.port): certificate verify failed: \(words)"))
        #expect(server.received.isEmpty)
    }

    @Test func `a client certificate is shown`() async throws {
        let server = try ScriptedServer(clientAuthority: TestCertificates.authority) { received in
            [.answer(received.peer == "system:node:a" ? 200 : 401, "{}")]
        }
        let pair = TestCertificates.client
        let client = server.client(.certificate(chainPEM: pair.certificate, keyPEM: pair.key))
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 200)
        #expect(server.received.first?.headers.contains(name: "authorization") == false)
        #expect(try await server.client(.none).send(KubeRequest(path: "/"), within: limit).status == 401)
        let broken = await failure {
            try await server.client(.certificate(chainPEM: pair.certificate, keyPEM: "x"))
                .send(KubeRequest(path: "/"), within: limit)
        }
        #expect(broken?.kind == "tls")
    }

    @Test func `a token file is read again, at once when its token is not believed`() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/token-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let server = try ScriptedServer { received in
            [.answer(received.headers.first(name: "authorization") == "Bearer new" ? 200 : 401, "{}")]
        }
        let client = server.client(.tokenFile(path))
        let missing = await failure { try await client.send(KubeRequest(path: "/"), within: limit) }
        #expect(missing?.kind == "tls")
        try "old\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 401)
        #expect(server.received.count == 2)
        try "new\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await client.send(KubeRequest(path: "/"), within: limit).status == 200)
        #expect(server.received.last?.headers.first(name: "authorization") == "Bearer new")
    }

    @Test(arguments: ["", " ", "a\r\nX: y\u{7f}", "é"])
    func `what is no token is not sent`(text: String) async throws {
        let server = try ScriptedServer { _ in [.answer("{}")] }
        _ = await failure { try await server.client(.token(text)).send(KubeRequest(path: "/"), within: limit) }
        #expect(server.received.allSatisfy { !$0.headers.contains(name: "x") })
        #expect(text.hasPrefix("a") || server.received.isEmpty)
    }

    @Test func `descriptions have no secrets`() {
        let pair = TestCertificates.client
        for credential: KubeCredential in [.token("s3cret"), .certificate(chainPEM: "x", keyPEM: pair.key)] {
            let server = KubeServer(host: "10.0.0.1", port: 1, authorityPEM: "", credential: credential)
            var dumped = ""
            dump(server, to: &dumped)
            dump(credential, to: &dumped)
            let all =
                "\(server) \(credential) \(String(reflecting: server)) \(String(reflecting: credential)) \(dumped)"
            #expect(!all.contains("s3cret") && !all.contains("PRIVATE"))
        }
    }
}
