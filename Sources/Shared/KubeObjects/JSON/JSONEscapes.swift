extension JSONReader {
    /// Text between quotes with its escapes resolved (RFC 8259, section 7).
    static func unescaped(_ bytes: UnsafeBufferPointer<UInt8>) throws(UnreadableValue) -> String {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let octet = bytes[index]
            index += 1
            guard octet == UInt8(ascii: "\\") else {
                plain.append(octet)
                continue
            }
            guard index < bytes.count else { throw UnreadableValue() }
            let letter = bytes[index]
            index += 1
            switch letter {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain.append(letter)
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "u"): plain += UTF8.encode(try scalar(bytes, &index)) ?? .init()
            default: throw UnreadableValue()
            }
        }
        return try plain.withUnsafeBufferPointer { buffer throws(UnreadableValue) in try JSONReader.plain(buffer) }
    }

    /// After `\u`: four hexadecimal digits, or two surrogates.
    private static func scalar(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int
    ) throws(UnreadableValue) -> Unicode.Scalar {
        let first = try unit(bytes, &index)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(UInt16(first)), bytes.count - index >= 2, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        else { throw UnreadableValue() }
        index += 2
        let second = try unit(bytes, &index)
        guard UTF16.isTrailSurrogate(UInt16(second)),
            let scalar = Unicode.Scalar(0x1_0000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw UnreadableValue() }
        return scalar
    }

    /// Four hexadecimal digits.
    private static func unit(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) throws(UnreadableValue) -> UInt32
    {
        guard bytes.count - index >= 4 else { throw UnreadableValue() }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let octet = bytes[index]
            let digit: UInt8
            switch octet {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = octet - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = octet - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = octet - UInt8(ascii: "A") + 10
            default: throw UnreadableValue()
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
