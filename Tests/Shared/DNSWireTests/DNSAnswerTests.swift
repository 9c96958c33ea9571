import DNSWire
import Hashing
import Testing

@Suite struct DNSAnswerTests {
    private static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private static func record(
        _ owner: [UInt8], _ type: UInt8, _ data: [UInt8], time: [UInt8] = [0, 0, 0, 60], class: UInt8 = 1
    ) -> [UInt8] {
        var bytes = owner
        bytes += [0, type, 0, `class`]
        bytes += time
        bytes += [UInt8(data.count >> 8), UInt8(data.count & 255)]
        return bytes + data
    }

    private static func answer(
        _ records: [[UInt8]], flags: [UInt8] = [0x81, 0x80], count: UInt8? = nil
    ) -> [UInt8] {
        let counts: [UInt8] = [0, 1, 0, count ?? UInt8(records.count), 0, 0, 0, 0]
        var bytes: [UInt8] = [0x12, 0x34] + flags + counts
        bytes += name("www.Example.com")
        bytes += [0, 1, 0, 1]
        for record in records { bytes += record }
        return bytes
    }

    /// The question's name, by a pointer.
    private static let own: [UInt8] = [0xC0, 12]

    private func addresses(_ message: [UInt8]) -> [String]? {
        DNSAnswer(message)?.addresses.map { "\($0.address)/\($0.timeToLive)" }
    }

    @Test func `question, code and addresses`() throws {
        let read = try #require(
            DNSAnswer(
                Self.answer([
                    Self.record(Self.own, 1, [1, 2, 3, 4]), Self.record(Self.own, 28, Array(repeating: 0, count: 16)),
                    Self.record(Self.own, 1, [5, 6, 7, 8], time: [0, 0, 1, 0]),
                ])))
        #expect(read.id == 0x1234 && read.code == 0)
        #expect(read.question.name == "www.example.com" && read.question.type == 1 && read.question.class == 1)
        #expect(read.addresses.map(\.address) == [0x0102_0304, 0x0506_0708])
        #expect(read.addresses.map(\.timeToLive) == [60, 256])
    }

    @Test func `aliases are followed in any order, and the shortest time holds`() {
        let records = [
            Self.record(Self.name("b.net"), 1, [9, 9, 9, 9], time: [0, 0, 1, 0]),
            Self.record(Self.name("a.net"), 5, Self.name("B.net"), time: [0, 0, 0, 7]),
            Self.record(Self.own, 5, Self.name("a.net")),
            // Nobody asked for this name.
            Self.record(Self.name("c.net"), 1, [8, 8, 8, 8]),
        ]
        #expect(addresses(Self.answer(records)) == ["\(0x0909_0909)/7"])
    }

    @Test func `aliases that lead round end`() {
        let loop = [
            Self.record(Self.own, 5, Self.name("a.net")),
            Self.record(Self.name("a.net"), 5, Self.name("www.example.com")),
        ]
        #expect(addresses(Self.answer(loop)) == [])
    }

    @Test func `what is not the internet's, has a wrong length or an odd name says nothing`() {
        let odd: [UInt8] = [3, 0x61, 0x2E, 0x62, 0]
        let records = [
            Self.record(Self.own, 1, [1, 1, 1, 1], class: 3), Self.record(Self.own, 1, [1, 1, 1]),
            Self.record(odd, 1, [1, 1, 1, 1]), Self.record(Self.own, 1, [2, 2, 2, 2], time: [0x80, 0, 0, 1]),
        ]
        #expect(addresses(Self.answer(records)) == ["\(0x0202_0202)/0"])
    }

    @Test func `records up to the first broken one`() {
        let good = Self.record(Self.own, 1, [1, 1, 1, 1])
        #expect(addresses(Self.answer([good, Array(good.dropLast(2))])) == ["\(0x0101_0101)/60"])
        #expect(addresses(Self.answer([good], count: 9)) == ["\(0x0101_0101)/60"])
        // A pointer to itself, and one forward.
        let offset = UInt8(12 + 17 + 4)
        #expect(addresses(Self.answer([Self.record([0xC0, offset], 1, [1, 1, 1, 1])])) == [])
        #expect(addresses(Self.answer([Self.record([0xC0, offset + 8], 1, [1, 1, 1, 1])])) == [])
    }

    @Test func `no response, no question, several questions`() {
        #expect(DNSAnswer([UInt8]()) == nil)
        #expect(DNSAnswer(Self.answer([], flags: [1, 0])) == nil)
        var message = Self.answer([])
        message[5] = 2
        #expect(DNSAnswer(message) == nil)
        message[5] = 0
        #expect(DNSAnswer(message) == nil)
    }

    @Test func `a hundred thousand broken answers trap nowhere`() {
        var random = SplitMix64(seed: 3)
        let whole = Self.answer([
            Self.record(Self.own, 5, Self.name("a.net")), Self.record(Self.name("a.net"), 1, [1, 2, 3, 4]),
            Self.record(Self.own, 1, [4, 3, 2, 1]),
        ])
        var read = 0
        for _ in 0..<100_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
            guard let answer = DNSAnswer(bytes) else { continue }
            read += 1
            #expect(answer.addresses.count <= answer.records.count)
        }
        #expect(read > 1000)
    }

    @Test func `a refusal gives the question back`() throws {
        var query = Self.answer([])
        (query[2], query[3]) = (1, 0)
        let reply = try DNSQuestion(query).reply(.refused)
        #expect(reply == [0x12, 0x34, 0x81, 0x85, 0, 1, 0, 0, 0, 0, 0, 0] + query[12...])
        #expect(DNSAnswer(reply)?.code == 5)
    }
}
