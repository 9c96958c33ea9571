import NetAddress

/// A packet that a deny rule logged, as libpcap hands on nfnetlink_log (LINKTYPE_NFLOG).
struct NetfilterLogEntry: Equatable {
    var interfaceID: String
    var direction: SecurityGroupRule.Direction
    var packet: DecodedPacket

    // linux/netfilter/nfnetlink_log.h
    private static let payloadAttribute: UInt16 = 9
    private static let prefixAttribute: UInt16 = 10

    /// Reads an entry; nil when it was not logged by a rule of the fabric.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let (prefix, packet) = Self.read(bytes), packet.outer != nil else { return nil }
        let words = prefix.split(separator: " ")
        guard words.count == 2, let direction = SecurityGroupRule.Direction(rawValue: String(words[1])) else {
            return nil
        }
        interfaceID = String(words[0])
        self.direction = direction
        self.packet = packet
    }

    /// The prefix of the rule that logged, and the packet; nil when one of them is missing.
    static func read(_ bytes: UnsafeRawBufferPointer) -> (prefix: String, packet: DecodedPacket)? {
        var prefix: String?
        var payload: DecodedPacket?
        // The header has family, version and resource id. Attributes follow: length and type in the host's byte order,
        // padded to four bytes.
        var rest = bytes.from(4)
        while let length = rest.u16(0).map({ Int($0.byteSwapped) }), let type = rest.u16(2)?.byteSwapped,
            length >= 4, length <= rest.count
        {
            let value = UnsafeRawBufferPointer(rebasing: rest[4..<length])
            if type & 0x7FFF == Self.prefixAttribute {
                prefix = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
            } else if type & 0x7FFF == Self.payloadAttribute {
                payload = PacketDecoder.network(value)
            }
            rest = rest.from((length + 3) & ~3)
        }
        guard let prefix, let payload else { return nil }
        return (prefix, payload)
    }
}
