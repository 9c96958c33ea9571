import DNSWire

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
        guard question != nil, let answer = DNSAnswer(message), answer.id == identifier,
            answer.question.name == name.lowercased(), answer.question.type == Self.typeA,
            answer.question.class == Self.classInternet
        else { return nil }
        return (answer.code, answer.records.compactMap(\.address))
    }

    private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
}
