import DNSWire

/// A probe's DNS query for IPv4 addresses (RFC 1035, section 4), and what is read of the answer.
struct DNSQuery: Sendable, Hashable {
    let identifier: UInt16
    /// The name without a dot at its end.
    let name: String

    private static let typeA: UInt16 = 1
    private static let classInternet: UInt16 = 1

    /// The query as it is sent. Nil for a name that cannot be sent: one with an empty label or a label of more than 63
    /// bytes, or one of more than 253 bytes.
    var bytes: [UInt8]? {
        guard let question else { return nil }
        // The flags say that recursion is desired; of the four counts, there is one question.
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

    /// Reads an answer.
    ///
    /// - Returns: The response code and the IPv4 addresses in host byte order, or nil if the message does not answer
    ///   this query.
    func read(_ message: [UInt8]) -> (code: UInt8, addresses: [UInt32])? {
        guard question != nil, let answer = DNSAnswer(message), answer.id == identifier,
            answer.question.name == name.lowercased(), answer.question.type == Self.typeA,
            answer.question.class == Self.classInternet
        else { return nil }
        return (answer.code, answer.records.compactMap(\.address))
    }

    /// The number in network byte order.
    private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
}
