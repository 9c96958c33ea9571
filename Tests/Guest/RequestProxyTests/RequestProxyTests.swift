import LinuxKernel
import NetAddress
import Policy
import Synchronization
import Testing

@testable import RequestProxy

#if canImport(Glibc)
    import Glibc
#endif

/// Octets go in and come out over real sockets of the loopback interface.
@Suite(.serialized) struct RequestProxyTests {
    private static let get = "GET / HTTP/1.1\r\nHost: web\r\n\r\n"

    /// - Parameter text: What the client sends before it waits for the end of the connection.
    private func exchange(
        _ text: String, server: PlainServer = PlainServer(),
        allows: @escaping RequestProxy.Judge = { request, _ in
            request.method == "GET" && request.path == "/"
        }
    ) throws -> (answer: String, seen: String) {
        let port = try server.start()
        var settings = RequestProxy.Settings(mark: 0)
        settings.port = 0
        settings.fixedServer = (IPv4Address(127, 0, 0, 1), port)
        let proxy = try RequestProxy(settings, judge: allows)
        defer {
            proxy.stop()
            server.stop()
        }
        let answer = try LoopbackClient.exchange(text, port: proxy.port)
        return (answer, server.seen)
    }

    @Test func `an allowed request is served`() throws {
        let (answer, seen) = try exchange("GET / HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nConnection: close\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.hasSuffix("hello"))
        #expect(seen.contains("GET / HTTP/1.1\r\n") && seen.contains("X-A: 1\r\n"))
    }

    @Test func `another is answered with 403 and never reaches the server`() throws {
        let (answer, seen) = try exchange(
            "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        #expect(answer.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
        #expect(answer.contains("Access denied"))
        #expect(seen.isEmpty)
    }

    @Test func `the connection lives on after a refusal, and requests are judged one by one`() throws {
        let (answer, seen) = try exchange(
            Self.get + "GET /secret HTTP/1.1\r\nHost: web\r\n\r\n" + Self.get
                + "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\nConnection: close\r\n\r\nGET")
        let statuses = answer.components("HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
        #expect(statuses == ["200", "403", "200", "403"])
        #expect(seen.components("GET / HTTP/1.1").count == 3)
        #expect(!seen.contains("secret") && !seen.contains("POST"))
    }

    /// Requests that servers are known to understand in different ways, see RFC 9112, sections 6.3 and 11.2.
    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: 4, 5\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: +4\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: 0x4\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\n X-Folded: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nHost: other\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /../ HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /%2e%2E/ HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/..;/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/..;a=b/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/.;/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/..%3b/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/%2e%2e;/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/%252e%252e/admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public%252fadmin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/%25%32%65./admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /public/%25252e./admin HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /a%2fb HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: web\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}",
        "nothing of the kind\r\n\r\n",
    ])
    func `ambiguous requests are refused`(_ text: String) throws {
        let (answer, seen) = try exchange(text, allows: { _, _ in true })
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400"), "\(answer)")
        #expect(seen.isEmpty, "\(seen)")
    }

    @Test(arguments: ["/a;v=1/b", "/100%25", "/100%25/x", "/%2541", "/a..;b/c", "/..."])
    func `parameters and percent signs have one meaning`(_ path: String) throws {
        let (answer, seen) = try exchange(
            "GET \(path) HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", allows: { _, _ in true })
        #expect(answer.hasPrefix("HTTP/1.1 200"), "\(answer)")
        #expect(seen.hasPrefix("GET \(path) HTTP/1.1\r\n"))
    }

    @Test func `bodies go through in both directions`() throws {
        let body = String(repeating: "x", count: 300_000)
        let (answer, seen) = try exchange(
            "POST /up HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)",
            server: PlainServer(body: body), allows: { _, _ in true })
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.utf8.count > 300_000)
        #expect(seen.hasSuffix("xxx") && seen.utf8.count > 300_000)
    }

    @Test func `no server: 503`() throws {
        var settings = RequestProxy.Settings(mark: 0)
        settings.port = 0
        settings.fixedServer = (IPv4Address(127, 0, 0, 1), 1)
        let proxy = try RequestProxy(settings) { _, _ in true }
        defer { proxy.stop() }
        #expect(try LoopbackClient.exchange(Self.get, port: proxy.port).hasPrefix("HTTP/1.1 503"))
    }

    /// A mutated request gets an answer or the end of its connection and never causes a trap, and the server sees only
    /// what was allowed.
    @Test func `survives noise`() throws {
        let server = PlainServer()
        let port = try server.start()
        var settings = RequestProxy.Settings(mark: 0)
        settings.port = 0
        settings.fixedServer = (IPv4Address(127, 0, 0, 1), port)
        let proxy = try RequestProxy(settings) { request, _ in request.path == "/" && request.method == "GET" }
        defer {
            proxy.stop()
            server.stop()
        }
        var state: UInt64 = 0x6C61_6272
        func next(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let seeds = [
            "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
            "POST /x HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\nGET "
                + "/secret HTTP/1.1\r\nHost: web\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhelloGET /secret HTTP/1.1\r\nHost: web\r\n\r\n",
        ]
        for _ in 0..<300 {
            var bytes = Array(seeds[next(seeds.count)].utf8)
            for _ in 0..<(1 + next(4)) {
                switch next(3) {
                case 0: bytes[next(bytes.count)] = UInt8(next(256))
                case 1: bytes.remove(at: next(bytes.count))
                default: bytes.insert([10, 13, 32, 58, 0][next(5)], at: next(bytes.count))
                }
            }
            _ = try LoopbackClient.exchange(bytes, port: proxy.port, patience: 30)
        }
        // No length that can occur here makes the second request part of a body.
        #expect(!server.seen.contains("/secret HTTP") && !server.seen.contains("POST "))
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
