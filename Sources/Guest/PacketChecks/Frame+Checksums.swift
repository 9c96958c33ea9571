import Datapath
import NetAddress

extension Frame {
    /// A UDP datagram (RFC 768) with its checksum. A checksum of zero is sent as all ones.
    package static func udp(
        from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address, _ destinationPort: UInt16,
        _ payload: [UInt8] = Array("labrun".utf8)
    ) -> [UInt8] {
        var datagram = udp(sourcePort, destinationPort, payload)
        let sum = checksum(pseudoHeader(source, destination, protocol: 17, datagram.count) + datagram)
        setChecksum(sum == 0 ? 0xFFFF : sum, at: 6, in: &datagram)
        return datagram
    }

    /// A TCP segment (RFC 9293) with its checksum.
    static func tcp(
        from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address, _ destinationPort: UInt16,
        flags: UInt8, _ payload: [UInt8] = []
    ) -> [UInt8] {
        var segment = tcp(sourcePort, destinationPort, flags: flags) + payload
        setChecksum(
            checksum(pseudoHeader(source, destination, protocol: 6, segment.count) + segment), at: 16, in: &segment)
        return segment
    }

    /// An ICMP message (RFC 792) with its checksum. `rest` follows type, code and checksum.
    static func icmp(type: UInt8, code: UInt8 = 0, rest: [UInt8]) -> [UInt8] {
        var message: [UInt8] = [type, code, 0, 0] + rest
        setChecksum(checksum(message), at: 2, in: &message)
        return message
    }

    /// An ICMP error that quotes a packet, with the first `quoted` octets of its transport header.
    static func icmpError(type: UInt8, code: UInt8, word: UInt32 = 0, about packet: [UInt8], quoted: Int) -> [UInt8] {
        let octets = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
        return icmp(type: type, code: code, rest: octets + packet.prefix(20 + quoted))
    }

    private static func pseudoHeader(
        _ source: IPv4Address, _ destination: IPv4Address, protocol number: UInt8, _ length: Int
    ) -> [UInt8] {
        source.octets + destination.octets + [0, number, UInt8(length >> 8), UInt8(length & 0xFF)]
    }

    private static func setChecksum(_ sum: UInt16, at offset: Int, in bytes: inout [UInt8]) {
        bytes[offset] = UInt8(sum >> 8)
        bytes[offset + 1] = UInt8(sum & 0xFF)
    }
}
