/// Makes text from a lab fit for a place in which some bytes have a meaning: a terminal, an XML document.
public enum PlainText {
    /// Returns one line for a terminal, without control characters (C0, C1, DEL), bidirectional overrides and line
    /// breaks. It has at most `limit` characters and a note of what was cut. What is taken out stays visible as `\x1B`
    /// or `\u{202E}`.
    public static func line(_ text: some StringProtocol, limit: Int = 400) -> String {
        var out = ""
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < limit else {
                // Bytes can be counted quickly, even if a node printed ten megabytes without a line feed.
                return out + "… (\(text.utf8.count) bytes in all)"
            }
            count += 1
            if isHarmless(scalar) {
                out.unicodeScalars.append(scalar)
            } else if scalar == "\n" || scalar == "\t" || scalar == "\r" {
                out.append(" ")
            } else if scalar.value < 0x100 {
                out += "\\x" + hex(scalar.value, width: 2)
            } else {
                out += "\\u{" + hex(scalar.value, width: 4) + "}"
            }
        }
        return out
    }

    /// Returns text for a terminal with its line feeds; each line is made plain as `line` does, whatever its length.
    public static func lines(_ text: some StringProtocol) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line($0, limit: .max) }
            .joined(separator: "\n")
    }

    /// Returns text for XML 1.0. It is without the characters that XML cannot hold (most of C0, surrogates, U+FFFE and
    /// U+FFFF) and without the others that a reader's terminal would obey, except line feed and tab. It is cut like a
    /// line.
    public static func xml(_ text: some StringProtocol, limit: Int = 20_000) -> String {
        var out = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < limit else {
                return String(out) + "… (\(text.utf8.count) bytes in all)"
            }
            count += 1
            if isHarmless(scalar) || scalar == "\n" || scalar == "\t" { out.append(scalar) }
        }
        return String(out)
    }

    /// Whether the scalar is neither a control character, nor one that changes the order of the text around it, nor a
    /// noncharacter.
    package static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: false
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: false
        case 0x2028, 0x2029, 0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F: false
        default: scalar.value & 0xFFFE != 0xFFFE
        }
    }

    private static func hex(_ value: UInt32, width: Int) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
