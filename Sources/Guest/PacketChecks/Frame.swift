import Datapath
import NetAddress

/// Builds the packets of the self-test byte by byte, independently of the programs' code.
package struct Frame {
    package static let ipv4: UInt16 = 0x0800
    static let arp: UInt16 = 0x0806
    static let vlan: UInt16 = 0x8100
    static let ipv6: UInt16 = 0x86DD

    /// An Ethernet header, followed by the payload.
    package static func ethernet(
        to destination: MACAddress, from source: MACAddress, type: UInt16, _ payload: [UInt8]
    ) -> [UInt8] {
        destination.octets + source.octets + big(type) + payload
    }

    /// A whole IPv4 packet (RFC 791) with a correct checksum.
    package static func ipv4Packet(
        from source: IPv4Address, to destination: IPv4Address, protocol number: UInt8, ttl: UInt8 = 64,
        fragment: UInt16 = 0, options: [UInt8] = [], _ payload: [UInt8]
    ) -> [UInt8] {
        let headerLength = 20 + options.count
        var header: [UInt8] = [0x40 | UInt8(headerLength / 4), 0]
        header += big(UInt16(headerLength + payload.count)) + big(0x1234) + big(fragment)
        header += [ttl, number, 0, 0] + source.octets + destination.octets + options
        let sum = checksum(header)
        header[10] = UInt8(sum >> 8)
        header[11] = UInt8(sum & 0xFF)
        return header + payload
    }

    /// A UDP datagram (RFC 768). Its checksum is zero, which means that it was not computed.
    static func udp(_ source: UInt16, _ destination: UInt16, _ payload: [UInt8] = Array("labrun".utf8)) -> [UInt8] {
        big(source) + big(destination) + big(UInt16(8 + payload.count)) + big(0) + payload
    }

    /// A TCP header (RFC 9293) without options.
    static func tcp(_ source: UInt16, _ destination: UInt16, flags: UInt8) -> [UInt8] {
        big(source) + big(destination) + [0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags] + big(1024) + big(0) + big(0)
    }

    /// An ICMP echo request (RFC 792), or the reply with type 0.
    static func icmpEcho(type: UInt8 = 8, identifier: UInt16, sequence: UInt16) -> [UInt8] {
        icmp([type, 0, 0, 0] + big(identifier) + big(sequence) + Array("labrun".utf8))
    }

    /// An ICMP error (RFC 792) that quotes a packet's IP header and 8 bytes.
    ///
    /// - Parameter nextHopMTU: The MTU of "fragmentation needed" (RFC 1191).
    static func icmpError(type: UInt8, code: UInt8, nextHopMTU: UInt16 = 0, _ packet: [UInt8]) -> [UInt8] {
        icmp([type, code, 0, 0, 0, 0] + big(nextHopMTU) + packet.prefix(Int(packet[0] & 15) * 4 + 8))
    }

    /// Inserts the checksum of an ICMP message.
    private static func icmp(_ message: [UInt8]) -> [UInt8] {
        let sum = checksum(message)
        return message[..<2] + [UInt8(sum >> 8), UInt8(sum & 0xFF)] + message[4...]
    }

    /// An ARP packet (RFC 826) for Ethernet and IPv4. Operation 1 is a request, 2 is a reply.
    static func arpPacket(
        operation: UInt16, senderMAC: MACAddress, sender: IPv4Address, targetMAC: MACAddress, target: IPv4Address
    ) -> [UInt8] {
        big(1) + big(ipv4) + [6, 4] + big(operation) + senderMAC.octets + sender.octets + targetMAC.octets
            + target.octets
    }

    /// A VXLAN header (RFC 7348), followed by the inner frame.
    static func vxlan(identifier: UInt32, _ inner: [UInt8]) -> [UInt8] {
        tunnel(.vxlan, identifier: identifier, inner)
    }

    /// A header of VXLAN (RFC 7348) or of Geneve without options (RFC 8926), followed by the inner frame.
    static func tunnel(_ tunnel: TunnelProtocol, identifier: UInt32, _ inner: [UInt8]) -> [UInt8] {
        (tunnel == .vxlan ? [8, 0, 0, 0] : [0, 0, 0x65, 0x58])
            + [UInt8(identifier >> 16 & 0xFF), UInt8(identifier >> 8 & 0xFF), UInt8(identifier & 0xFF), 0] + inner
    }

    /// The Internet checksum (RFC 1071) of a header whose checksum field is zero.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let low = index + 1 < bytes.count ? bytes[index + 1] : 0
            sum += UInt32(bytes[index]) << 8 | UInt32(low)
        }
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        return ~UInt16(sum)
    }

    /// Whether the frame ends inside the IP header. Newer kernels refuse to run a program on such a frame (`EINVAL`).
    static func isCutShort(_ frame: [UInt8]) -> Bool {
        guard frame.count > 14 else { return true }
        switch UInt16(frame[12]) << 8 | UInt16(frame[13]) {
        case ipv4: return frame.count < 14 + 20
        case ipv6: return frame.count < 14 + 40
        default: return false
        }
    }

    private static func big(_ number: UInt16) -> [UInt8] {
        [UInt8(number >> 8), UInt8(number & 0xFF)]
    }
}
