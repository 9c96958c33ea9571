import DNSWire
import Hashing
import Testing

@testable import VPCServices

@Suite struct DNSMessageTests {
    static let zone = DNSZone([
        "S3.internal": [0x0A00_0032], "two": [1, 2], "many": Array(0..<60), "*.any.internal": [3],
        "own.any.internal": [4],
    ])

    static func query(
        _ name: String, type: UInt16 = 1, class: UInt16 = 1, flags: [UInt8] = [1, 0], tail: [UInt8] = []
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x12, 0x34] + flags + [0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, UInt8(type >> 8), UInt8(type & 255), UInt8(`class` >> 8), UInt8(`class` & 255)] + tail
    }

    @Test func `a known name has its address, whatever its case, and an EDNS record is no harm`() throws {
        let edns: [UInt8] = [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]
        let question = try DNSQuestion(Self.query("s3.INTERNAL", tail: edns))
        #expect(question.name == "s3.internal")
        let (message, code) = Self.zone.answer(question)
        #expect(code == .noError)
        #expect(Array(message[..<12]) == [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
        #expect(Array(message.suffix(16)) == [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 50])
    }

    @Test(arguments: [
        ("nobody.internal", UInt16(1), UInt16(1), DNSCode.nameError, UInt8(0)),
        ("s3.internal", 28, 1, .noError, 0), ("two", 255, 1, .noError, 2), ("two", 1, 3, .refused, 0),
    ])
    func answers(_ name: String, _ type: UInt16, _ class: UInt16, _ code: DNSCode, _ count: UInt8) throws {
        let (message, given) = Self.zone.answer(try DNSQuestion(Self.query(name, type: type, class: `class`)))
        #expect(given == code)
        #expect(message[3] & 15 == code.rawValue)
        #expect(message[7] == count)
    }

    @Test(
        arguments: [
            ("x.any.internal", [3]), ("y.x.any.internal", [3]), ("own.any.internal", [4]), ("any.internal", nil),
            ("x.many.internal", nil), ("xany.internal", nil),
        ] as [(String, [UInt32]?)])
    func `a record of all names below another`(_ name: String, _ addresses: [UInt32]?) {
        #expect(Self.zone.addresses(of: name) == addresses)
    }

    @Test func `a long answer is cut over UDP and whole over TCP`() throws {
        let question = try DNSQuestion(Self.query("many"))
        let short = Self.zone.answer(question).message
        #expect(short.count <= 512 && short[2] & 2 != 0 && short[7] == 0)
        let long = Self.zone.answer(question, limit: 65_535).message
        #expect(long[2] & 2 == 0 && long[7] == 60)
    }

    @Test func `what is no query is ignored, what is a broken one has its id`() {
        func mistake(_ bytes: [UInt8]) -> DNSQuestion.Mistake? {
            do throws(DNSQuestion.Mistake) {
                _ = try DNSQuestion(bytes)
                return nil
            } catch { return error }
        }
        #expect(mistake([]) == .ignored)
        #expect(mistake(Self.query("a", flags: [0x80, 0])) == .ignored)
        #expect(mistake([0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1]) == .malformed(0x1234))
        #expect(mistake(Array(Self.query("s3.internal").dropLast(3))) == .malformed(0x1234))
        #expect(mistake([0x12, 0x34, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]) == .malformed(0x1234))
    }

    @Test func `a hundred thousand broken queries end in an answer or in none`() {
        var random = SplitMix64(seed: 7)
        let whole = Self.query("s3.internal")
        var read = 0
        for _ in 0..<100_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
            guard let question = try? DNSQuestion(bytes) else { continue }
            read += 1
            let (message, code) = Self.zone.answer(question)
            #expect(message.count <= 512 && Array(message.prefix(2)) == Array(bytes.prefix(2)), "\(bytes)")
            // One byte more or less is another name, which nobody has.
            #expect(code != .noError || question.name == "s3.internal", "\(question.name)")
        }
        #expect((1..<100_000).contains(read), "\(read) of 100000 were read")
    }
}
