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
