/// A DNS response as far as a reader of addresses needs it (RFC 1035, section 4): one question, and the records of the
/// answer section up to the first that cannot be read. No input causes a trap.
public struct DNSAnswer: Sendable, Hashable {
    public let id: UInt16
    /// The response code. Extended codes (EDNS) are not read.
    public let code: UInt8
    public let question: Question
    public let records: [Record]

    public struct Question: Sendable, Hashable {
        /// The name in lower case, without a final dot.
        public let name: String
        public let type: UInt16
        public let `class`: UInt16
    }

    /// A record of the class internet.
    public struct Record: Sendable, Hashable {
        /// The name in lower case, without a final dot.
        public let name: String
        /// The seconds for which the record may be kept.
        public let timeToLive: UInt32
        public let data: Data

        public enum Data: Sendable, Hashable {
            /// An IPv4 address in host byte order.
            case address(UInt32)
            /// The name is an alias of this one (CNAME).
            case alias(String)
        }

        public var address: UInt32? { if case .address(let address) = data { address } else { nil } }
    }

    /// Returns nil if the bytes are no response with one question.
    public init?(_ message: some Collection<UInt8>) {
        let bytes = Array(message)
        guard bytes.count >= 12, bytes[2] & 0x80 != 0, bytes[4] == 0, bytes[5] == 1 else { return nil }
        guard let (name, end) = Self.name(bytes, at: 12), let name, end + 4 <= bytes.count else { return nil }
        id = Self.number(bytes, 0)
        code = bytes[3] & 15
        question = Question(name: name, type: Self.number(bytes, end), class: Self.number(bytes, end + 2))
        var records: [Record] = []
        var offset = end + 4
        for _ in 0..<Self.number(bytes, 6) {
            guard let (owner, start) = Self.name(bytes, at: offset), start + 10 <= bytes.count else { break }
            let data = start + 10
            offset = data + Int(Self.number(bytes, start + 8))
            guard offset <= bytes.count else { break }
            guard let owner, Self.number(bytes, start + 2) == 1 else { continue }
            // A time to live of 2³¹ seconds or more counts as zero (RFC 2181, section 8).
            let seconds = UInt32(Self.number(bytes, start + 4)) << 16 | UInt32(Self.number(bytes, start + 6))
            let time = seconds > UInt32(Int32.max) ? 0 : seconds
            switch Self.number(bytes, start) {
            case 1 where offset - data == 4:
                let address = UInt32(Self.number(bytes, data)) << 16 | UInt32(Self.number(bytes, data + 2))
                records.append(Record(name: owner, timeToLive: time, data: .address(address)))
            case 5:
                guard let (target, end) = Self.name(bytes, at: data), let target, end == offset else { continue }
                records.append(Record(name: owner, timeToLive: time, data: .alias(target)))
            default: break
            }
        }
        self.records = records
    }

    /// The most aliases of aliases that are followed.
    public static let aliasLimit = 16

    /// The addresses of the question's name, including those found through aliases. Each has the shortest time to live
    /// on its path.
    public var addresses: [(address: UInt32, timeToLive: UInt32)] {
        var times: [String: UInt32] = [question.name: .max]
        for _ in 0..<Self.aliasLimit {
            var isChanged = false
            for record in records {
                guard case .alias(let target) = record.data, let time = times[record.name], times[target] == nil
                else { continue }
                times[target] = min(time, record.timeToLive)
                isChanged = true
            }
            if !isChanged { break }
        }
        return records.compactMap { record in
            guard let address = record.address, let time = times[record.name] else { return nil }
            return (address, min(time, record.timeToLive))
        }
    }

    /// Returns the name at an offset, and where it ends. The result is nil if the name runs out of the message or is
    /// too long. A name with bytes that are not allowed in text is skipped.
    ///
    /// A pointer (section 4.1.4) must lead to a place before the part that ends with it, so that reading always ends.
    private static func name(_ bytes: [UInt8], at start: Int) -> (name: String?, end: Int)? {
        var labels: [String] = []
        var isText = true
        var length = 0
        var (offset, limit) = (start, start)
        var end: Int?
        while offset < bytes.count {
            let octet = Int(bytes[offset])
            if octet == 0 { return (isText ? labels.joined(separator: ".") : nil, end ?? offset + 1) }
            if octet & 0xC0 == 0xC0 {
                guard offset + 1 < bytes.count else { return nil }
                let target = (octet & 0x3F) << 8 | Int(bytes[offset + 1])
                guard target < limit else { return nil }
                end = end ?? offset + 2
                (offset, limit) = (target, target)
                continue
            }
            length += octet + 1
            guard octet < 64, length <= 254, offset + octet < bytes.count else { return nil }
            let label = bytes[offset + 1...offset + octet]
            isText = isText && label.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: ".") }
            if isText { labels.append(String(decoding: label, as: UTF8.self).lowercased()) }
            offset += octet + 1
        }
        return nil
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
        UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }
}
