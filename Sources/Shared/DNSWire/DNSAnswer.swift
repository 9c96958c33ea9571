/// A DNS response as far as a reader of addresses needs it (RFC 1035, section 4): one question, and the records of the
/// answer section up to the first that cannot be read. Untrusted bytes never trap.
public struct DNSAnswer: Sendable, Hashable {
    public let id: UInt16
    /// The response code; extended codes (EDNS) are not read.
    public let code: UInt8
    public let question: Question
    public let records: [Record]

    public struct Question: Sendable, Hashable {
        /// Lower case, without the last dot.
        public let name: String
        public let type: UInt16
        public let `class`: UInt16
    }

    /// A record of class internet.
    public struct Record: Sendable, Hashable {
        /// Lower case, without the last dot.
        public let name: String
        /// Seconds that it may be kept.
        public let timeToLive: UInt32
        public let data: Data

        public enum Data: Sendable, Hashable {
            /// IPv4, host byte order.
            case address(UInt32)
            /// The name is another one for this (CNAME).
            case alias(String)
        }

        public var address: UInt32? { if case .address(let address) = data { address } else { nil } }
    }

    /// Nil when the bytes are no response with one question.
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
            // A time of over 2³¹ seconds is none (RFC 2181, section 8).
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

    /// Aliases of aliases that are followed.
    public static let aliasLimit = 16

    /// The addresses of the question's name, also by way of aliases; each with the shortest time on its way.
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

    /// The name at an offset and where it ends; nil when it runs out of the message or is too long. A name with octets
    /// that no text has is passed over.
    ///
    /// A pointer (section 4.1.4) leads to before the part that ends with it, so that reading comes to an end.
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
