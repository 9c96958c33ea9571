/// A DNS query as far as a small server needs it (RFC 1035): one question. Untrusted bytes never trap.
public struct DNSQuestion: Sendable, Hashable {
    public let id: UInt16
    public let opcode: UInt8
    public let isRecursionDesired: Bool
    /// Lower case, without the last dot: `s3.internal`; empty is the root.
    public let name: String
    /// 1 A, 28 AAAA, 255 any.
    public let type: UInt16
    /// 1 is the internet.
    public let `class`: UInt16
    /// The question's bytes as they came, to be given back.
    let bytes: [UInt8]

    /// Why bytes are no question.
    public enum Mistake: Error, Hashable, Sendable {
        /// Not a query at all: nothing is answered.
        case ignored
        /// A query that is malformed; its id.
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
            // A question has nothing before it that it could point to.
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
}

/// Response codes (RFC 1035 section 4.1.1).
public enum DNSCode: UInt8, Codable, Sendable, Hashable {
    case noError = 0
    case formatError = 1
    case nameError = 3
    case notImplemented = 4
    case refused = 5

    /// As resolvers print it.
    public var name: String {
        switch self {
        case .noError: "NOERROR"
        case .formatError: "FORMERR"
        case .nameError: "NXDOMAIN"
        case .notImplemented: "NOTIMP"
        case .refused: "REFUSED"
        }
    }
}

/// Names and their addresses.
public struct DNSZone: Sendable, Hashable {
    /// Seconds that answers may be kept.
    public static let timeToLive: UInt32 = 60
    /// By name, lower case; addresses in host byte order.
    private var records: [String: [UInt32]] = [:]

    public init(_ records: [String: [UInt32]]) {
        for (name, addresses) in records { self.records[name.lowercased()] = addresses }
    }

    /// Of a name's own record, else of the nearest one with `*` as its first label (RFC 4592).
    public func addresses(of name: String) -> [UInt32]? {
        if let own = records[name] { return own }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let some = records["*." + rest] { return some }
        }
        return nil
    }

    /// The answer to a question: all of it, header to records.
    ///
    /// - Parameter limit: bytes; a longer answer is cut and says so, for the client to ask again over TCP.
    public func answer(_ question: DNSQuestion, limit: Int = 512) -> (message: [UInt8], code: DNSCode) {
        var found: [UInt32] = []
        let code: DNSCode
        if question.opcode != 0 {
            code = .notImplemented
        } else if question.class != 1 {
            code = .refused
        } else if let addresses = addresses(of: question.name) {
            code = .noError
            if question.type == 1 || question.type == 255 { found = addresses }
        } else {
            code = .nameError
        }
        let room = max(0, limit - 12 - question.bytes.count) / 16
        let isCut = found.count > room
        if isCut { found = [] }
        return (Self.message(question, code, found, isCut: isCut), code)
    }

    /// The answer to a query that cannot be read.
    public static func malformed(_ id: UInt16) -> [UInt8] {
        [UInt8(id >> 8), UInt8(id & 255), 0x80, DNSCode.formatError.rawValue] + [UInt8](repeating: 0, count: 8)
    }

    private static func message(
        _ question: DNSQuestion, _ code: DNSCode, _ addresses: [UInt32], isCut: Bool
    ) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(question.id >> 8), UInt8(question.id & 255)]
        // Response, authoritative, cut, recursion desired as asked; recursion available.
        bytes.append(0x84 | question.opcode << 3 | (isCut ? 2 : 0) | (question.isRecursionDesired ? 1 : 0))
        bytes.append(0x80 | code.rawValue)
        bytes += [0, 1, UInt8(addresses.count >> 8), UInt8(addresses.count & 255), 0, 0, 0, 0]
        bytes += question.bytes
        for address in addresses {
            // The name at offset 12, A, internet.
            bytes += [0xC0, 12, 0, 1, 0, 1]
            bytes += octets(timeToLive) + [0, 4] + octets(address)
        }
        return bytes
    }

    private static func octets(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
