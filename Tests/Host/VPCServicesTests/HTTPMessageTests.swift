import Hashing
import Testing

@testable import VPCServices

@Suite struct HTTPMessageTests {
    private func read(_ text: String) -> HTTPRequest.Reading { HTTPRequest.read(Array(text.utf8), peer: "10.0.0.11") }

    @Test func `a request is read whole, and not before`() {
        let text = "POST /cloud/v1 HTTP/1.1\r\nHost: x\r\nContent-LENGTH: 4\r\n\r\nbody"
        for length in 0..<text.utf8.count {
            #expect(HTTPRequest.read(Array(text.utf8.prefix(length)), peer: "") == .needsMore)
        }
        #expect(
            read(text)
                == .request(
                    HTTPRequest(
                        method: "POST", target: "/cloud/v1", headers: ["host": "x", "content-length": "4"],
                        body: Array("body".utf8), peer: "10.0.0.11")))
        #expect(read("GET / HTTP/1.0\n\n") != .needsMore)
    }

    @Test(arguments: [
        ("GET /\r\n\r\n", 400), ("GET / FTP/1.1\r\n\r\n", 400), ("GET x HTTP/1.1\r\n\r\n", 400), ("\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: x\r\n\r\n", 400), ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        ("GET /" + String(repeating: "x", count: 9000), 431),
    ])
    func refused(_ text: String, _ status: Int) {
        #expect(read(text) == .refused(status))
    }

    /// Requests that were changed or cut off end in a request, a known refusal, or the wish for more.
    @Test func `broken requests are read or refused`() {
        var random = SplitMix64(seed: 11)
        let whole = Array("PUT /latest/api/token HTTP/1.1\r\nContent-Length: 2\r\nA: b\r\n\r\nxy".utf8)
        var (requests, refusals, unfinished) = (0, 0, 0)
        for _ in 0..<50_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
            let reading = HTTPRequest.read(bytes, peer: "10.0.0.11")
            if bytes.count < whole.count, whole.starts(with: bytes) { #expect(reading == .needsMore) }
            switch reading {
            case .request(let request):
                requests += 1
                #expect(request.target.hasPrefix("/") && request.peer == "10.0.0.11")
                #expect(request.body.count < bytes.count)
            case .refused(let status):
                refusals += 1
                #expect([400, 413, 501].contains(status), "\(status) for \(bytes)")
            case .needsMore: unfinished += 1
            }
        }
        #expect(
            requests > 0 && refusals > 0 && unfinished > 0,
            "\(requests) requests, \(refusals) refusals, \(unfinished) that need more")
    }
}
