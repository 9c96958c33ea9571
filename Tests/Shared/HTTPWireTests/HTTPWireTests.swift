import HTTPWire
import Hashing
import NIOHTTP1
import Testing

@Suite struct HTTPWireTests {
    private let limits = HTTPWire.Limits(head: 200, body: 10)

    private func request(_ text: String) throws -> HTTPWire.Message<HTTPRequestHead>? {
        try HTTPWire.request(in: Array(text.utf8), limits: limits)
    }

    private func response(
        _ text: String, to method: HTTPMethod = .GET, ended: Bool = false
    ) throws -> HTTPWire.Message<HTTPResponseHead>? {
        try HTTPWire.response(in: Array(text.utf8), to: method, ended: ended, limits: limits)
    }

    @Test func `what is written is read again`() throws {
        let head = HTTPRequestHead(
            version: .http1_1, method: .PUT, uri: "/a?b", headers: ["Host": "x", "Content-Length": "2"])
        let bytes = HTTPWire.bytes(of: head, body: [1, 2])
        let read = try #require(try HTTPWire.request(in: bytes, limits: limits))
        #expect(read.head == head && read.body == [1, 2] && read.isWhole)
        let answer = HTTPResponseHead(version: .http1_1, status: .notFound, headers: ["Content-Length": "1"])
        let back = try #require(
            try HTTPWire.response(
                in: HTTPWire.bytes(of: answer, body: [7]), to: .GET, ended: false, limits: limits))
        #expect(back.head == answer && back.body == [7] && back.isWhole)
    }

    @Test func `headers are written as given, also those that frame nothing`() {
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/", headers: ["b": "1", "A": "2"])
        #expect(String(decoding: HTTPWire.bytes(of: head), as: UTF8.self) == "POST / HTTP/1.1\r\nb: 1\r\nA: 2\r\n\r\n")
    }

    @Test func `a request is read as far as it has come`() throws {
        #expect(try request("GET / HTTP/1.1\r\nHost: x\r\n") == nil)
        let half = try #require(try request("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"))
        #expect(!half.isWhole && half.body == Array("ab".utf8))
        // The second request, whole or broken, is not looked at.
        let first = try #require(try request("GET /1 HTTP/1.1\r\n\r\nGET /2 nonsense\r\n\r\n"))
        #expect(first.isWhole && first.head.uri == "/1")
        let chunked = try #require(
            try request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"))
        #expect(chunked.isWhole && chunked.body == Array("ab".utf8))
    }

    @Test(arguments: [
        "\r\n\r\n", "GET\r\n\r\n", "GET / FTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ])
    func `what is no request is malformed`(_ text: String) {
        #expect(throws: HTTPWire.Mistake.malformed) { try request(text) }
    }

    @Test func `heads and bodies are bounded`() {
        let long = String(repeating: "x", count: 200)
        #expect(throws: HTTPWire.Mistake.headTooLong) { try request("GET /" + long) }
        #expect(throws: HTTPWire.Mistake.headTooLong) { try request("GET /\(long) HTTP/1.1\r\n\r\n") }
        #expect(throws: HTTPWire.Mistake.bodyTooLong) { try request("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n") }
        #expect(throws: HTTPWire.Mistake.bodyTooLong) {
            try request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n")
        }
        #expect(throws: HTTPWire.Mistake.bodyTooLong) {
            try response("HTTP/1.1 200 OK\r\n\r\n12345678901", ended: true)
        }
    }

    @Test func `a head has at most 100 fields`() throws {
        let limits = HTTPWire.Limits(head: 4096, body: 0)
        for (count, isRead) in [(100, true), (101, false)] {
            let fields = (0..<count).map { "f\($0): v\r\n" }.joined()
            let message = try? HTTPWire.request(in: Array("GET / HTTP/1.1\r\n\(fields)\r\n".utf8), limits: limits)
            #expect((message?.head.headers.count == count) == isRead)
        }
    }

    @Test func `the first of several responses is read, also when it is an informational one`() throws {
        let both = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
        #expect(try response(both)?.head.status == .continue)
    }

    /// Bytes that were changed or cut off end in a message, nil or a mistake, and a message keeps to its limits.
    @Test func `mutated messages never trap`() throws {
        var random = SplitMix64(seed: 7)
        let messages = [
            "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nmore",
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        ].map { Array($0.utf8) }
        var readable = 0
        for turn in 0..<20_000 {
            var bytes = messages[turn % messages.count]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
            let asked = try? HTTPWire.request(in: bytes, limits: limits)
            let method: HTTPMethod = [.GET, .HEAD, .CONNECT][turn % 3]
            let answered = try? HTTPWire.response(in: bytes, to: method, ended: turn % 2 == 0, limits: limits)
            #expect((asked?.body.count ?? 0) <= limits.body && (answered?.body.count ?? 0) <= limits.body)
            if asked != nil || answered != nil { readable += 1 }
        }
        #expect(readable > 1000)
    }

    @Test func `the connection's end ends a body without a length, and cuts off one with a length`() throws {
        let open = "HTTP/1.1 200 OK\r\n\r\nabc"
        #expect(try response(open)?.isWhole == false)
        #expect(try response(open, ended: true)?.isWhole == true)
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"
        #expect(try response(counted)?.isWhole == false)
        #expect(throws: HTTPWire.Mistake.malformed) { try response(counted, ended: true) }
        #expect(throws: HTTPWire.Mistake.malformed) { try response("HTTP/1.1 200 OK\r\n", ended: true) }
        // An answer to HEAD has the length of a body that does not come.
        #expect(try response("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", to: .HEAD)?.isWhole == true)
        #expect(try response("HTTP/1.1 100 Continue\r\n\r\n")?.head.status == .continue)
    }
}
