/// A moment as the mind is told it: both of the node's clocks, read at once. Whoever calls the mind reads them; the
/// mind has no clock.
public struct KubeletTime: Sendable, Hashable {
    /// Time since some fixed moment of this boot, which never goes backwards. All delays are counted on it.
    public var monotonic: Duration
    /// Microseconds since 1970 by the node's wall clock. It is only ever written into objects.
    public var unixMicroseconds: Int64

    public init(monotonic: Duration, unixMicroseconds: Int64) {
        self.monotonic = monotonic
        self.unixMicroseconds = unixMicroseconds
    }

    /// `2026-11-29T18:00:00Z`, as `metav1.Time` is written.
    public var timestamp: String { Timestamp.seconds(unixMicroseconds) }
    /// `2026-11-29T18:00:00.000000Z`, as `metav1.MicroTime` is written.
    public var microTimestamp: String { Timestamp.microseconds(unixMicroseconds) }
}

/// Times as RFC 3339 texts, in UTC.
public enum Timestamp {
    public static func seconds(_ unixMicroseconds: Int64) -> String { text(unixMicroseconds) + "Z" }

    public static func microseconds(_ unixMicroseconds: Int64) -> String {
        text(unixMicroseconds) + "." + padded(floorModulo(unixMicroseconds, 1_000_000), 6) + "Z"
    }

    /// Microseconds since 1970 of an RFC 3339 text; nil if it is none.
    public static func parse(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 40, bytes[4] == 45, bytes[7] == 45, bytes[10] == 84, bytes[13] == 58,
            bytes[16] == 58, let year = number(bytes[0..<4]), let month = number(bytes[5..<7]),
            let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
            let second = number(bytes[17..<19]), (1...12).contains(month), (1...31).contains(day), hour < 24,
            minute < 60, second < 61
        else { return nil }
        var rest = bytes[19...]
        var micros: Int64 = 0
        if rest.first == 46 {
            let digits = rest.dropFirst().prefix { (48...57).contains($0) }
            guard !digits.isEmpty, digits.count <= 9 else { return nil }
            rest = rest.dropFirst(1 + digits.count)
            for digit in Array(digits.prefix(6)) + Array(repeating: 48, count: max(0, 6 - digits.count)) {
                micros = micros * 10 + Int64(digit - 48)
            }
        }
        var offset: Int64 = 0
        if rest.first == 90 {
            guard rest.count == 1 else { return nil }
        } else {
            let zone = Array(rest)
            guard zone.count == 6, zone[0] == 43 || zone[0] == 45, zone[3] == 58, let hours = number(zone[1..<3]),
                let minutes = number(zone[4..<6]), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60 * (zone[0] == 43 ? 1 : -1)
        }
        let days = daysFromCivil(year, month, day)
        return (days * 86_400 + hour * 3_600 + minute * 60 + second - offset) * 1_000_000 + micros
    }

    private static func text(_ unixMicroseconds: Int64) -> String {
        let seconds = floorDivide(unixMicroseconds, 1_000_000)
        let (year, month, day) = civil(floorDivide(seconds, 86_400))
        let rest = floorModulo(seconds, 86_400)
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(rest / 3_600, 2) + ":"
            + padded(rest / 60 % 60, 2) + ":" + padded(rest % 60, 2)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - 48)
        }
        return value
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    // Both after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
    }
}
