import Hashing
import NodeProtocol
import Testing

@testable import Prober

@Suite struct DNSQueryTests {
    private let query = DNSQuery(identifier: 0x1234, name: "www.Example.com")

    private func answer(code: UInt8 = 0, records: [[UInt8]], flags: UInt8 = 0x80) throws -> [UInt8] {
        var bytes = try #require(query.bytes)
        bytes[2] |= flags
        bytes[3] = bytes[3] & 0xF0 | code
        bytes[7] = UInt8(records.count)
        return bytes + records.flatMap { $0 }
    }

    /// Name by pointer, type, class IN, a TTL of 60 s, data.
    private func record(_ type: UInt8, _ data: [UInt8]) -> [UInt8] {
        [0xC0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, UInt8(data.count)] + data
    }

    @Test func aQueryIsAsTheStandardSays() throws {
        #expect(
            query.bytes == [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 119, 119, 119, 7] + Array("Example".utf8)
                + [3, 99, 111, 109, 0, 0, 1, 0, 1])
    }

    @Test(arguments: ["", ".", "a..b", String(repeating: "x", count: 64), String(repeating: "abcdefg.", count: 40)])
    func whatIsNoNameIsNotAsked(_ name: String) {
        #expect(DNSQuery(identifier: 1, name: name).bytes == nil)
    }

    @Test func addressesAreReadAndOtherRecordsSkipped() throws {
        let alias = record(5, [3, 119, 119, 119, 0xC0, 16])
        let read = try #require(
            query.read(try answer(records: [alias, record(1, [10, 0, 0, 2]), record(1, [1, 1, 1, 1])])))
        #expect(read.code == 0)
        #expect(read.addresses == [0x0A00_0002, 0x0101_0101])
    }

    @Test func codesAndForeignAnswers() throws {
        let empty = try answer(records: [])
        let refused = try answer(code: 3, records: [])
        let question = try answer(records: [], flags: 0)
        #expect(query.read(refused)?.code == 3)
        #expect(query.read(empty)?.addresses == [])
        // A query is no answer; another identifier and another name are somebody else's.
        #expect(query.read(question) == nil)
        #expect(DNSQuery(identifier: 1, name: "www.Example.com").read(empty) == nil)
        #expect(DNSQuery(identifier: 0x1234, name: "www.example.org").read(empty) == nil)
        #expect(DNSQuery(identifier: 0x1234, name: "WWW.example.COM").read(empty) != nil)
    }

    @Test func hostileAnswersEndInAReading() throws {
        var generator = SplitMix64(seed: 7)
        let whole = try answer(records: [record(1, [10, 0, 0, 2]), record(5, [0xC0, 12])])
        var readings = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0 ... .max, using: &generator)
            }
            bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
            guard let read = query.read(bytes) else { continue }
            readings += 1
            // An answer has two records, and a header of 12 bytes.
            #expect(bytes.count >= 12 && read.addresses.count <= 2 && read.code < 16, "\(read)")
        }
        #expect((1..<20_000).contains(readings), "\(readings) of 20000 were read")
    }
}

@Suite struct HTTPProbeTests {
    @Test func aRequestCarriesItsNonce() {
        let bytes = HTTPProbe.request(
            method: "POST", path: "/x", headers: ["X-Token": "42"], host: "10.0.0.1:80", nonce: "7-3")
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "POST /x HTTP/1.1\r\nHost: 10.0.0.1:80\r\nX-Token: 42\r\nX-Labrun-Probe: 7-3\r\n"
                + "Connection: close\r\n"
                + "Content-Length: 0\r\n\r\n")
        let named = HTTPProbe.request(method: "GET", path: "/", headers: ["host": "a"], host: "b", nonce: "n")
        #expect(!String(decoding: named, as: UTF8.self).contains("Host: b"))
    }

    @Test(
        arguments: [
            ("", .incomplete), ("HTT", .incomplete), ("HTTP/1.1 200 OK\r\n", .incomplete), ("SSH-2.0", .broken),
            ("HTTP/1.1 200 OK\r\n\r\n", .answer(status: 200, seen: nil)), ("HTTP/1.1 999 \r\n\r\n", .broken),
            ("HTTP/1.0 403 Forbidden\r\nA: b\r\n\r\nbody", .answer(status: 403, seen: nil)),
            ("HTTP/1.1\r\n\r\n", .broken), ("HTTP/1.1 x\r\n\r\n", .broken),
            (
                "HTTP/1.1 200 OK\r\nx-labrun-probe: n\r\nX-Labrun-Seen: 10.0.0.1:80\r\n\r\n",
                .answer(status: 200, seen: SeenAddress(address: 0x0A00_0001, port: 80))
            ),
            // Another probe's answer says nothing of this one's source.
            (
                "HTTP/1.1 200 OK\r\nx-labrun-probe: m\r\nX-Labrun-Seen: 10.0.0.1:80\r\n\r\n",
                .answer(status: 200, seen: nil)
            ),
        ] as [(String, HTTPProbe.Reading)])
    func answersAreRead(_ text: String, _ reading: HTTPProbe.Reading) {
        #expect(HTTPProbe.read(Array(text.utf8), nonce: "n") == reading)
    }

    @Test func receiversAnswerWholeRequestsAndTellThemFromEchoes() throws {
        let request = HTTPProbe.request(method: "GET", path: "/a", headers: [:], host: "h", nonce: "5-1")
        #expect(HTTPReceiver.isRequest(request))
        for count in 1..<4 { #expect(HTTPReceiver.mayBeRequest(Array(request.prefix(count)))) }
        #expect(!HTTPReceiver.mayBeRequest([71, 0, 0, 0]))
        #expect(!HTTPReceiver.isRequest([1, 2, 3, 4]))
        #expect(HTTPReceiver.answer(Array(request.dropLast(2)), peer: "p") == nil)
        let answer = try #require(HTTPReceiver.answer(request, peer: "192.168.1.4:4000"))
        #expect(
            HTTPProbe.read(answer, nonce: "5-1")
                == .answer(status: 200, seen: SeenAddress(address: 0xC0A8_0104, port: 4000)))
    }
}
