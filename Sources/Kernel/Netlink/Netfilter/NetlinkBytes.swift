/// Builds netlink messages (netlink(7)) as bytes: headers in the host's byte order, padding to four bytes, nested
/// attributes.
struct NetlinkBytes {
    private(set) var bytes: [UInt8] = []

    /// `NLA_F_NESTED`
    private static let nested: UInt16 = 0x8000

    /// Writes a message. Its length is filled in after `body` has run.
    mutating func message(type: UInt16, flags: UInt16, sequence: UInt32, _ body: (inout NetlinkBytes) -> Void) {
        let start = bytes.count
        host(UInt32(0))
        host(type)
        host(flags)
        host(sequence)
        host(UInt32(0))
        body(&self)
        setLength(UInt32(bytes.count - start), at: start)
        pad()
    }

    mutating func attribute(_ type: UInt16, _ payload: [UInt8]) {
        host(UInt16(4 + payload.count))
        host(type)
        bytes += payload
        pad()
    }

    /// Numbers of nf_tables are in network byte order.
    mutating func attribute(_ type: UInt16, _ number: UInt32) { attribute(type, Self.big(number)) }

    mutating func attribute(_ type: UInt16, _ text: String) { attribute(type, Array(text.utf8) + [0]) }

    mutating func nest(_ type: UInt16, _ body: (inout NetlinkBytes) -> Void) {
        var inside = NetlinkBytes()
        body(&inside)
        attribute(type | Self.nested, inside.bytes)
    }

    mutating func append(_ raw: [UInt8]) {
        bytes += raw
        pad()
    }

    static func big(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
    }

    private mutating func host<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number) { bytes += $0 }
    }

    private mutating func setLength(_ length: UInt32, at offset: Int) {
        withUnsafeBytes(of: length) { raw in bytes.replaceSubrange(offset..<offset + 4, with: raw) }
    }

    private mutating func pad() {
        while !bytes.count.isMultiple(of: 4) { bytes.append(0) }
    }
}

/// Reads the kernel's answers to a batch.
enum NetlinkAnswers {
    private static let errorType: UInt16 = 2
    private static let headerLength = 16

    /// Returns sequence numbers with the kernel's error, where 0 means success. Messages other than acknowledgements
    /// are ignored.
    static func acknowledgements(in bytes: [UInt8]) -> [(sequence: UInt32, error: Int32)] {
        var found: [(sequence: UInt32, error: Int32)] = []
        var offset = 0
        while offset + headerLength <= bytes.count {
            let (length, type, sequence) = bytes[offset...].withUnsafeBytes { raw in
                (
                    raw.loadUnaligned(as: UInt32.self), raw.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
                    raw.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
                )
            }
            guard length >= headerLength, Int(length) <= bytes.count - offset else { break }
            if type == errorType, length >= headerLength + 4 {
                let error = bytes[(offset + headerLength)...].withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
                found.append((sequence, error == .min ? .max : -error))
            }
            offset += (Int(length) + 3) & ~3
        }
        return found
    }
}
