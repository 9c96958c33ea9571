/// A DNS query as far as a small server or a proxy needs it (RFC 1035): one question. No input causes a trap.
public struct DNSQuestion: Sendable, Hashable {
    public let id: UInt16
    public let opcode: UInt8
    public let isRecursionDesired: Bool
    /// The name in lower case, without a final dot: `s3.internal`. The empty text is the root.
    public let name: String
    /// 1 A, 28 AAAA, 255 any.
    public let type: UInt16
    /// 1 is the internet.
    public let `class`: UInt16
    /// The question's bytes as they came, for the answer.
    public let bytes: [UInt8]

    /// The reason why bytes are no question.
    public enum Mistake: Error, Hashable, Sendable {
        /// It is no query, so it gets no answer.
        case ignored
        /// It is a malformed query with this id.
        case malformed(UInt16)
    }

    public init(_ message: some Collection<UInt8>) throws(Mistake) {
        let bytes = Array(message)
        guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { throw .ignored }
        let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        self.id = id
        opcode = bytes[2] >> 3 & 15
        isRecursionDesired = bytes[2] & 1 != 0
        guard bytes[4] == 0, bytes[5] == 1 else { throw .malformed(id) }
        var labels: [String] = []
        var offset = 12
        while true {
            guard offset < bytes.count else { throw .malformed(id) }
            let length = Int(bytes[offset])
            offset += 1
            if length == 0 { break }
            // Nothing precedes a question that a pointer could lead to.
            guard length < 64, offset + length <= bytes.count, offset + length - 12 <= 254 else { throw .malformed(id) }
            let label = bytes[offset..<offset + length]
            guard label.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: ".") }) else {
                throw .malformed(id)
            }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            offset += length
        }
        guard offset + 4 <= bytes.count else { throw .malformed(id) }
        name = labels.joined(separator: ".")
        type = UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
        self.class = UInt16(bytes[offset + 2]) << 8 | UInt16(bytes[offset + 3])
        self.bytes = Array(bytes[12..<offset + 4])
    }

    /// Returns a complete answer without records.
    public func reply(_ code: DNSCode) -> [UInt8] {
        // The flags: response, recursion desired as in the query, recursion available.
        [
            UInt8(id >> 8), UInt8(id & 255), 0x80 | opcode << 3 | (isRecursionDesired ? 1 : 0), 0x80 | code.rawValue,
            0, 1, 0, 0, 0, 0, 0, 0,
        ] + bytes
    }

    /// Returns the answer to a query that cannot be read.
    public static func malformedReply(_ id: UInt16) -> [UInt8] {
        [UInt8(id >> 8), UInt8(id & 255), 0x80, DNSCode.formatError.rawValue] + [UInt8](repeating: 0, count: 8)
    }
}
