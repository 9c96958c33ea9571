/// A 48-bit Ethernet address.
public struct MACAddress: Sendable, Hashable, Comparable, LosslessStringConvertible {
    /// The address as a number, first octet highest; only the low 48 bits are used.
    public let rawValue: UInt64

    /// The upper 16 bits are ignored.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & 0xFFFF_FFFF_FFFF
    }

    /// - Returns: Nil unless there are exactly six octets.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        rawValue = octets.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Reads six pairs of hexadecimal digits of either case, separated by colons.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.count == 2 else { return nil }
            for digit in part {
                guard let nibble = hexadecimal(digit) else { return nil }
                value = value << 4 | nibble
            }
        }
        rawValue = value
    }

    public var octets: [UInt8] {
        [40, 32, 24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> $0) }
    }

    /// Whether the group bit is set, as it is in multicast and broadcast addresses.
    public var isGroup: Bool { rawValue >> 40 & 1 == 1 }

    /// The address in lower case with colons, as the kernel and libvirt print it.
    public var description: String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    public static func < (left: MACAddress, right: MACAddress) -> Bool {
        left.rawValue < right.rawValue
    }
}

private func hexadecimal(_ digit: UInt8) -> UInt64? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(digit - UInt8(ascii: "A") + 10)
    default: nil
    }
}
