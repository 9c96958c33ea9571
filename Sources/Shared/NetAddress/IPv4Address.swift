/// An IPv4 address, held in host byte order so that it sorts and counts as people expect.
public struct IPv4Address: Sendable, Hashable, Comparable, LosslessStringConvertible {
    /// The address as a number: 10.0.0.11 is 0x0A00000B.
    public var rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        rawValue = UInt32(first) << 24 | UInt32(second) << 16 | UInt32(third) << 8 | UInt32(fourth)
    }

    /// Reads four decimal numbers with dots between them. A number has no leading zeros (the strict form of RFC 6943,
    /// section 3.1.1).
    public init?(_ text: String) {
        // An agent reads tens of thousands of addresses at its start, so this allocates nothing.
        var (value, octet): (UInt32, UInt32) = (0, 0)
        var (digits, parts) = (0, 1)
        for character in text.utf8 {
            if character == UInt8(ascii: ".") {
                guard digits > 0, parts < 4 else { return nil }
                value = value << 8 | octet
                (octet, digits, parts) = (0, 0, parts + 1)
                continue
            }
            let digit = UInt32(character &- UInt8(ascii: "0"))
            guard digit < 10, digits == 0 || octet > 0 else { return nil }
            octet = octet * 10 + digit
            digits += 1
            guard octet < 256 else { return nil }
        }
        guard digits > 0, parts == 4 else { return nil }
        rawValue = value << 8 | octet
    }

    /// The four octets in network order; nil unless there are exactly four.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 4 else { return nil }
        rawValue = octets.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The four octets in network order.
    public var octets: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> $0) }
    }

    /// The number in network byte order, as `struct in_addr` and BPF maps hold it.
    public var networkByteOrder: UInt32 { rawValue.bigEndian }

    public init(networkByteOrder: UInt32) {
        rawValue = UInt32(bigEndian: networkByteOrder)
    }

    public var description: String {
        octets.map { String($0) }.joined(separator: ".")
    }

    public static func < (left: IPv4Address, right: IPv4Address) -> Bool {
        left.rawValue < right.rawValue
    }

    public static let any = IPv4Address(rawValue: 0)
    public static let loopback = IPv4Address(127, 0, 0, 1)
    public static let broadcast = IPv4Address(rawValue: .max)
}

/// Reads a decimal number without sign or leading zeros. Nil when it is not below the limit, which is at most 1000.
func decimal(_ digits: some Collection<UInt8>, below limit: UInt32) -> UInt32? {
    guard (1...3).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
    var value: UInt32 = 0
    for digit in digits {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        value = value * 10 + UInt32(digit - UInt8(ascii: "0"))
    }
    return value < limit ? value : nil
}
