/// ICMP echo messages (RFC 792) with a nonce, which ties an answer to its request.
enum ICMPEcho {
    static let length = 24

    static func request(identifier: UInt16, sequence: UInt16, nonce: UInt64, attempt: UInt8) -> [UInt8] {
        var message = [UInt8](repeating: 0, count: length)
        message[0] = 8
        put(UInt64(identifier), 2, &message, at: 4)
        put(UInt64(sequence), 2, &message, at: 6)
        put(nonce, 8, &message, at: 8)
        message[16] = attempt
        put(UInt64(checksum(message)), 2, &message, at: 2)
        return message
    }

    struct Reply: Equatable {
        let source: UInt32
        let identifier: UInt16
        let sequence: UInt16
        let nonce: UInt64
        let attempt: UInt8
    }

    /// Reads what a raw ICMP socket delivers: an IPv4 packet with its header (raw(7)). Returns nil unless it is an echo
    /// reply to one of our requests.
    static func reply(in packet: [UInt8]) -> Reply? {
        guard let first = packet.first, first >> 4 == 4 else { return nil }
        let header = Int(first & 0x0F) * 4
        guard header >= 20, packet.count >= header + length, packet[9] == 1 else { return nil }
        let message = packet[header...]
        guard message[header] == 0, message[header + 1] == 0 else { return nil }
        return Reply(
            source: UInt32(truncatingIfNeeded: get(4, packet, at: 12)),
            identifier: UInt16(truncatingIfNeeded: get(2, packet, at: header + 4)),
            sequence: UInt16(truncatingIfNeeded: get(2, packet, at: header + 6)),
            nonce: get(8, packet, at: header + 8), attempt: packet[header + 16])
    }

    /// The checksum of RFC 1071.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        return ~UInt16(sum)
    }

    private static func put(_ value: UInt64, _ count: Int, _ bytes: inout [UInt8], at offset: Int) {
        for index in 0..<count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - index)))
        }
    }

    private static func get(_ count: Int, _ bytes: [UInt8], at offset: Int) -> UInt64 {
        bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
