import NetAddress

/// What an Ethernet frame says in its headers, as far as the captured bytes go.
struct DecodedPacket: Hashable {
    /// 0 when the frame is shorter than its header.
    var etherType: UInt16 = 0
    var sourceMAC: UInt64 = 0
    var destinationMAC: UInt64 = 0
    var outer: FlowHeader?
    var vni: UInt32?
    var inner: FlowHeader?
}

/// Reads the headers of captured bytes. The bytes come from guests and are not trusted: every read is checked against
/// the number of bytes that were captured.
struct PacketDecoder {
    /// UDP destination ports that carry VXLAN: Linux' and Cilium's 8472, RFC 7348's 4789.
    static let vxlanPorts: [UInt16] = [8472, 4789]
    /// UDP destination ports that carry Geneve: 6081 (RFC 8926).
    static let genevePorts: [UInt16] = [6081]

    static func ethernet(_ bytes: UnsafeRawBufferPointer) -> DecodedPacket {
        var packet = DecodedPacket()
        guard let frame = EthernetHeader(bytes) else { return packet }
        packet.etherType = frame.etherType
        packet.sourceMAC = frame.source
        packet.destinationMAC = frame.destination
        guard frame.etherType == EthernetHeader.ipv4 else { return packet }
        network(bytes.from(frame.length), into: &packet)
        return packet
    }

    /// A packet that begins with its IPv4 header, as the netfilter log delivers it.
    static func network(_ bytes: UnsafeRawBufferPointer) -> DecodedPacket {
        var packet = DecodedPacket(etherType: EthernetHeader.ipv4)
        network(bytes, into: &packet)
        return packet
    }

    private static func network(_ bytes: UnsafeRawBufferPointer, into packet: inout DecodedPacket) {
        guard let (outer, headerLength) = ipv4(bytes) else { return }
        packet.outer = outer
        guard outer.protocol == 17, !outer.isLaterFragment else { return }
        let tunnel = bytes.from(headerLength + 8)
        guard let headers = tunnelHeaderLength(tunnel, port: outer.destinationPort), let word = tunnel.u32(4) else {
            return
        }
        packet.vni = word >> 8
        let encapsulated = tunnel.from(headers)
        guard let frame = EthernetHeader(encapsulated), frame.etherType == EthernetHeader.ipv4 else { return }
        packet.inner = ipv4(encapsulated.from(frame.length))?.header
    }

    /// Length of a VXLAN or Geneve header in front of an Ethernet frame; nil when it is none.
    private static func tunnelHeaderLength(_ bytes: UnsafeRawBufferPointer, port: UInt16) -> Int? {
        if vxlanPorts.contains(port) {
            // RFC 7348: flags with the I bit, 24 bits reserved, VNI, 8 bits reserved.
            guard let flags = bytes.u8(0), flags & 0x08 != 0 else { return nil }
            return 8
        }
        // RFC 8926, section 3.4: version 0, options in words, flags, protocol 0x6558 (Ethernet), VNI, 8 bits reserved.
        guard genevePorts.contains(port), let first = bytes.u8(0), first >> 6 == 0, bytes.u16(2) == 0x6558 else {
            return nil
        }
        return 8 + Int(first & 0x3F) * 4
    }

    private static func ipv4(_ bytes: UnsafeRawBufferPointer) -> (header: FlowHeader, length: Int)? {
        guard let first = bytes.u8(0), first >> 4 == 4, let length = bytes.u16(2), let fragment = bytes.u16(6),
            let `protocol` = bytes.u8(9), let source = bytes.u32(12), let destination = bytes.u32(16)
        else { return nil }
        let headerLength = Int(first & 0x0F) * 4
        guard headerLength >= 20 else { return nil }
        var header = FlowHeader(
            source: IPv4Address(rawValue: source), destination: IPv4Address(rawValue: destination),
            protocol: `protocol`, sourcePort: 0, destinationPort: 0, icmp: nil, tcpFlags: 0, length: Int(length),
            isLaterFragment: fragment & 0x1FFF != 0)
        guard !header.isLaterFragment else { return (header, headerLength) }
        let payload = bytes.from(headerLength)
        switch `protocol` {
        case 1: header.icmp = icmp(payload)
        case 6, 17:
            header.sourcePort = payload.u16(0) ?? 0
            header.destinationPort = payload.u16(2) ?? 0
            if `protocol` == 6 { header.tcpFlags = payload.u8(13) ?? 0 }
        default: break
        }
        return (header, headerLength)
    }

    private static func icmp(_ bytes: UnsafeRawBufferPointer) -> ICMPHeader? {
        guard let type = bytes.u8(0), let code = bytes.u8(1) else { return nil }
        let isEcho = type == 8 || type == 0
        return ICMPHeader(
            type: type, code: code, identifier: isEcho ? bytes.u16(4) ?? 0 : 0, sequence: isEcho ? bytes.u16(6) ?? 0 : 0
        )
    }
}

private struct EthernetHeader {
    static let ipv4: UInt16 = 0x0800

    let destination: UInt64
    let source: UInt64
    let etherType: UInt16
    /// The header's length: 14 bytes, and 4 for each VLAN tag.
    let length: Int

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let high = bytes.u32(0), let middle = bytes.u32(4), let low = bytes.u32(8), var type = bytes.u16(12)
        else { return nil }
        destination = UInt64(high) << 16 | UInt64(middle >> 16)
        source = UInt64(middle & 0xFFFF) << 32 | UInt64(low)
        var offset = 14
        // IEEE 802.1Q and 802.1ad: two tags at most.
        while type == 0x8100 || type == 0x88A8, offset < 22 {
            guard let next = bytes.u16(offset + 2) else { break }
            type = next
            offset += 4
        }
        etherType = type
        length = offset
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes from an offset on; empty past the end.
    func from(_ offset: Int) -> UnsafeRawBufferPointer {
        guard offset >= 0, offset < count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: self[offset...])
    }

    func u8(_ offset: Int) -> UInt8? {
        offset >= 0 && offset < count ? self[offset] : nil
    }

    /// In network byte order.
    func u16(_ offset: Int) -> UInt16? {
        guard offset >= 0, offset + 2 <= count else { return nil }
        return UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
    }

    /// In network byte order.
    func u32(_ offset: Int) -> UInt32? {
        guard let high = u16(offset), let low = u16(offset + 2) else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }
}
