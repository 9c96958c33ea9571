/// A time of day in UTC to the nanosecond, as logs have it.
public struct LogTime: Sendable, Hashable, Comparable {
    /// Seconds since 1970.
    public var seconds: Int64
    /// 0 to 999,999,999.
    public var nanoseconds: Int32

    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    public static func < (left: LogTime, right: LogTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    /// RFC 3339 with nine digits behind the point, as Kubernetes writes the times of logs.
    public var text: String {
        let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
        let second = Int(seconds - days * 86_400)
        let (year, month, day) = Self.civil(days)
        return Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-" + Self.padded(day, 2) + "T"
            + Self.padded(second / 3600, 2) + ":" + Self.padded(second / 60 % 60, 2) + ":" + Self.padded(second % 60, 2)
            + "." + Self.padded(Int(nanoseconds), 9) + "Z"
    }

    /// Reads RFC 3339 with any offset and up to nine digits behind the point.
    public init?(_ text: String) {
        var rest = Substring(text)
        func number(_ digits: Int, upTo highest: Int) -> Int? {
            let part = rest.prefix(digits)
            guard part.utf8.count == digits, part.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(part),
                value <= highest
            else { return nil }
            rest = rest.dropFirst(digits)
            return value
        }
        func take(_ characters: String) -> Character? {
            guard let first = rest.first, characters.contains(first) else { return nil }
            rest = rest.dropFirst()
            return first
        }
        guard let year = number(4, upTo: 9999), take("-") != nil, let month = number(2, upTo: 12), month > 0,
            take("-") != nil, let day = number(2, upTo: 31), day > 0, take("Tt") != nil,
            let hour = number(2, upTo: 23), take(":") != nil, let minute = number(2, upTo: 59), take(":") != nil,
            let second = number(2, upTo: 60)
        else { return nil }
        var nanoseconds = 0
        if take(".") != nil {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard (1...9).contains(digits.utf8.count), let value = Int(digits) else { return nil }
            nanoseconds = (digits.utf8.count..<9).reduce(value) { value, _ in value * 10 }
            rest = rest.dropFirst(digits.count)
        }
        var offset = 0
        switch take("Zz+-") {
        case "Z", "z": break
        case let sign?:
            guard let hours = number(2, upTo: 23), take(":") != nil, let minutes = number(2, upTo: 59) else {
                return nil
            }
            offset = (hours * 3600 + minutes * 60) * (sign == "-" ? -1 : 1)
        case nil: return nil
        }
        guard rest.isEmpty else { return nil }
        let time = hour * 3600 + minute * 60 + second - offset
        self.init(
            seconds: Self.days(year, month, day) * 86_400 + Int64(time), nanoseconds: Int32(nanoseconds))
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// Days since 1970 to a date of the Gregorian calendar, and back. Years begin with March here, so that the day that
    /// some years have more is their last.
    private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
        return (Int(year), Int(month < 10 ? month + 3 : month - 9), Int(day))
    }

    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let year = Int64(month <= 2 ? year - 1 : year)
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * Int64(month > 2 ? month - 3 : month + 9) + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
