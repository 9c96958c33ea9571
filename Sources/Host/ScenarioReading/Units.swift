/// Text forms of the quantities that scenario files hold.
public enum Units {
    /// Seconds of `200ms`, `1.5s` or `2m`; nil when the text is none of them.
    public static func seconds(_ text: String) -> Double? {
        for (unit, factor) in [("ms", 0.001), ("s", 1.0), ("m", 60.0)] where text.hasSuffix(unit) {
            return decimal(text.dropLast(unit.count)).map { $0 * factor }
        }
        return nil
    }

    /// 0…100 of `3`, `2.5` or `2.5%`.
    public static func percent(_ text: String) -> Double? {
        decimal(text.hasSuffix("%") ? text.dropLast() : text[...]).flatMap { $0 <= 100 ? $0 : nil }
    }

    /// `8472`, or `30000-32767`.
    public static func ports(_ text: String) -> ClosedRange<UInt16>? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ isDigits($0) }), let first = UInt16(parts[0]),
            let last = UInt16(parts[parts.count - 1]), first > 0, first <= last
        else { return nil }
        return first...last
    }

    /// `200ms`, `1.5s`, `2m`: the shortest of them that says it.
    public static func text(seconds: Double) -> String {
        func short(_ value: Double) -> String {
            let rounded = (value * 1000).rounded() / 1000
            return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
        }
        if seconds < 1 { return short(seconds * 1000) + "ms" }
        if seconds >= 60, seconds.truncatingRemainder(dividingBy: 60) == 0 { return short(seconds / 60) + "m" }
        return short(seconds) + "s"
    }

    /// A plain decimal without sign or exponent.
    package static func decimal(_ text: Substring) -> Double? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && isDigits($0) }), text.utf8.count <= 16
        else { return nil }
        return Double(text)
    }

    package static func isDigits(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}

/// An IPv4 network in CIDR form, as lab profiles write it.
package struct IPv4Network: Equatable {
    package let address: UInt32
    package let prefixLength: Int

    /// nil unless the text is `a.b.c.d/n` without host bits.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, Units.isDigits(parts[1]), let length = Int(parts[1]), (0...32).contains(length)
        else { return nil }
        let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        guard octets.count == 4 else { return nil }
        var value: UInt32 = 0
        for octet in octets {
            guard Units.isDigits(octet), octet.count == 1 || octet.first != "0", let byte = UInt8(octet)
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        let mask: UInt32 = length == 0 ? 0 : ~0 << UInt32(32 - length)
        guard value & mask == value else { return nil }
        address = value
        prefixLength = length
    }

    package func contains(_ other: IPv4Network) -> Bool {
        let mask: UInt32 = prefixLength == 0 ? 0 : ~0 << UInt32(32 - prefixLength)
        return other.prefixLength >= prefixLength && other.address & mask == address
    }

    package func overlaps(_ other: IPv4Network) -> Bool { contains(other) || other.contains(self) }
}
