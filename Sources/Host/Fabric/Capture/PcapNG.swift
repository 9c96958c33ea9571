/// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little endian, of one Ethernet interface with nanosecond times.
enum PcapNG {
    /// Section header and interface description: what every file begins with.
    static func preamble(interface: String, description: String, snapLength: Int) -> [UInt8] {
        var section = Block(type: 0x0A0D_0D0A)
        section.append(UInt32(0x1A2B_3C4D))
        section.append(UInt16(1))
        section.append(UInt16(0))
        section.append(UInt64.max)
        section.option(4, Array("labrun".utf8))
        section.endOfOptions()

        var interfaceBlock = Block(type: 1)
        interfaceBlock.append(UInt16(1))
        interfaceBlock.append(UInt16(0))
        interfaceBlock.append(UInt32(snapLength))
        interfaceBlock.option(2, Array(interface.utf8))
        interfaceBlock.option(3, Array(description.utf8))
        // if_tsresol: 10⁻⁹ seconds
        interfaceBlock.option(9, [9])
        interfaceBlock.endOfOptions()
        return section.finished() + interfaceBlock.finished()
    }

    /// Appends an enhanced packet block.
    ///
    /// - Parameters:
    ///   - time: The time of capture in nanoseconds since 1970.
    ///   - length: The packet's length on the wire in bytes.
    static func appendPacket(
        to buffer: inout [UInt8], time: Int64, bytes: UnsafeRawBufferPointer, length: Int,
        direction: PacketSighting.Direction
    ) {
        let padded = (bytes.count + 3) & ~3
        let total = UInt32(32 + padded + optionsLength)
        let stamp = UInt64(bitPattern: time)
        buffer.appendLittleEndian(UInt32(6))
        buffer.appendLittleEndian(total)
        buffer.appendLittleEndian(UInt32(0))
        buffer.appendLittleEndian(UInt32(truncatingIfNeeded: stamp >> 32))
        buffer.appendLittleEndian(UInt32(truncatingIfNeeded: stamp))
        buffer.appendLittleEndian(UInt32(bytes.count))
        buffer.appendLittleEndian(UInt32(clamping: length))
        buffer.append(contentsOf: bytes)
        for _ in bytes.count..<padded { buffer.append(0) }
        // epb_flags has directions as the tap sees them: what the node sends is inbound.
        buffer.appendLittleEndian(UInt16(2))
        buffer.appendLittleEndian(UInt16(4))
        buffer.appendLittleEndian(UInt32(direction == .fromNode ? 1 : 2))
        buffer.appendLittleEndian(UInt32(0))
        buffer.appendLittleEndian(total)
    }

    /// The bytes that the option epb_flags and the end of options take.
    private static let optionsLength = 12

    private struct Block {
        private var bytes: [UInt8] = []

        init(type: UInt32) {
            append(type)
            // The block's length goes here once it is known.
            append(UInt32(0))
        }

        mutating func append(_ value: some FixedWidthInteger) { bytes.appendLittleEndian(value) }

        mutating func option(_ code: UInt16, _ value: [UInt8]) {
            append(code)
            append(UInt16(clamping: value.count))
            bytes += value.prefix(Int(UInt16.max))
            while bytes.count % 4 != 0 { bytes.append(0) }
        }

        mutating func endOfOptions() { append(UInt32(0)) }

        func finished() -> [UInt8] {
            var block = bytes
            let total = UInt32(bytes.count + 4)
            for index in 0..<4 { block[4 + index] = UInt8(truncatingIfNeeded: total >> UInt32(8 * index)) }
            block.appendLittleEndian(total)
            return block
        }
    }
}

extension [UInt8] {
    mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
