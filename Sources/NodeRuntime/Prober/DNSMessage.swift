/// As much of a DNS message (RFC 1035, section 4) as a query for addresses and its answer need.
struct DNSQuery: Sendable, Hashable {
    let identifier: UInt16
    /// Without a dot at its end.
    let name: String

    private static let typeA: UInt16 = 1
    private static let classInternet: UInt16 = 1

    /// The query as it is sent; nil for a name that is none: an empty label, one over 63 bytes, or 253 in all.
    var bytes: [UInt8]? {
        guard let question else { return nil }
        // Recursion desired, one question.
        return big(identifier) + big(0x0100) + big(1) + big(0) + big(0) + big(0) + question
    }

    private var question: [UInt8]? {
        guard !name.isEmpty, name.utf8.count <= 253 else { return nil }
        var bytes: [UInt8] = []
        for label in name.split(separator: ".", omittingEmptySubsequences: false) {
            guard (1...63).contains(label.utf8.count) else { return nil }
            bytes.append(UInt8(label.utf8.count))
            bytes += Array(label.utf8)
        }
        return bytes + [0] + big(Self.typeA) + big(Self.classInternet)
    }

    /// What an answer says; nil when it is not one to this query.
    ///
    /// - Returns: the response code and the IPv4 addresses, host byte order.
    func read(_ message: [UInt8]) -> (code: UInt8, addresses: [UInt32])? {
        guard let question, message.count >= 12 + question.count, number(message, 0) == identifier,
            message[2] & 0x80 != 0, number(message, 4) == 1,
            zip(message[12..<12 + question.count], question).allSatisfy({ lower($0) == lower($1) })
        else { return nil }
        var offset = 12 + question.count
        var addresses: [UInt32] = []
        for _ in 0..<number(message, 6) {
            guard let record = skipName(message, offset), message.count >= record + 10 else { break }
            let length = Int(number(message, record + 8))
            let data = record + 10
            guard message.count >= data + length else { break }
            if number(message, record) == Self.typeA, number(message, record + 2) == Self.classInternet, length == 4 {
                addresses.append(message[data..<data + 4].reduce(0) { $0 << 8 | UInt32($1) })
            }
            offset = data + length
        }
        return (message[3] & 0x0F, addresses)
    }

    /// The offset behind a name; nil when it runs out of the message. Pointers (RFC 1035, 4.1.4) end a name.
    private func skipName(_ message: [UInt8], _ start: Int) -> Int? {
        var offset = start
        while offset < message.count {
            let length = Int(message[offset])
            if length == 0 { return offset + 1 }
            if length & 0xC0 == 0xC0 { return offset + 2 <= message.count ? offset + 2 : nil }
            guard length & 0xC0 == 0 else { return nil }
            offset += 1 + length
        }
        return nil
    }

    private func number(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
        UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    /// Names are compared without case; a length byte is below the letters.
    private func lower(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }
}
