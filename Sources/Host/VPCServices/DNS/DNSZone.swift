public import DNSWire

/// Names and their IPv4 addresses.
public struct DNSZone: Sendable, Hashable {
    /// For how many seconds an answer may be kept.
    public static let timeToLive: UInt32 = 60
    /// The addresses in host byte order, by the name in lower case.
    private var records: [String: [UInt32]] = [:]

    public init(_ records: [String: [UInt32]]) {
        for (name, addresses) in records { self.records[name.lowercased()] = addresses }
    }

    /// Returns the addresses of a name's own record, or else of the nearest record with `*` as its first label (RFC
    /// 4592).
    public func addresses(of name: String) -> [UInt32]? {
        if let own = records[name] { return own }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let some = records["*." + rest] { return some }
        }
        return nil
    }

    /// Returns the whole message that answers a question.
    ///
    /// - Parameter limit: The largest message in bytes. A longer answer is cut, and says so, so that the client asks
    ///   again over TCP.
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

    private static func message(
        _ question: DNSQuestion, _ code: DNSCode, _ addresses: [UInt32], isCut: Bool
    ) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(question.id >> 8), UInt8(question.id & 255)]
        // The flags say: a response, authoritative, whether it is cut, whether recursion was desired; recursion
        // available.
        bytes.append(0x84 | question.opcode << 3 | (isCut ? 2 : 0) | (question.isRecursionDesired ? 1 : 0))
        bytes.append(0x80 | code.rawValue)
        bytes += [0, 1, UInt8(addresses.count >> 8), UInt8(addresses.count & 255), 0, 0, 0, 0]
        bytes += question.bytes
        for address in addresses {
            // A pointer to the name at offset 12, then the type A and the class internet.
            bytes += [0xC0, 12, 0, 1, 0, 1]
            bytes += octets(timeToLive) + [0, 4] + octets(address)
        }
        return bytes
    }

    private static func octets(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
