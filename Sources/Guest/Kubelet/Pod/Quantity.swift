import JSON

/// A quantity of a resource: `100m`, `1.5`, `64Mi`, `1e3`. It is kept in thousandths and saturates.
public struct Quantity: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Thousandths of the unit, rounded up.
    public let milli: Int64
    /// As it was written.
    public let description: String

    /// The value in whole units, rounded up.
    public var value: Int64 { milli / 1000 + (milli % 1000 > 0 ? 1 : 0) }

    public init(bytes: Int64) {
        milli = bytes.multipliedReportingOverflow(by: 1000).overflow ? .max : bytes * 1000
        description = Self.binary(bytes)
    }

    init?(_ value: JSONValue) {
        switch value {
        case .string(let text): self.init(text)
        case .integer(let number): self.init("\(number)")
        case .number(let number): self.init("\(number)")
        default: return nil
        }
    }

    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= 64 else { return nil }
        var index = bytes.first == 43 || bytes.first == 45 ? 1 : 0
        let isNegative = bytes.first == 45
        let digits = index
        while index < bytes.count, (48...57).contains(bytes[index]) || bytes[index] == 46 { index += 1 }
        let number = String(decoding: bytes[digits..<index], as: UTF8.self)
        guard number.utf8.contains(where: { $0 != 46 }),
            let mantissa = Double(number.hasPrefix(".") ? "0" + number : number),
            let scale = Self.scale(String(decoding: bytes[index...], as: UTF8.self))
        else { return nil }
        let exact = mantissa * scale * 1000
        // What is a whole number of thousandths but for the double's last digits is one; the rest is rounded up.
        let whole = exact.rounded()
        let rounded = (exact - whole).magnitude <= exact * 1e-15 ? whole : exact.rounded(.up)
        let milli = rounded >= 9.2e18 ? Int64.max : Int64(rounded)
        self.milli = isNegative ? -milli : milli
        description = text
    }

    private static func scale(_ suffix: String) -> Double? {
        switch suffix {
        case "": return 1
        case "n": return 1e-9
        case "u": return 1e-6
        case "m": return 1e-3
        case "k": return 1e3
        case "M": return 1e6
        case "G": return 1e9
        case "T": return 1e12
        case "P": return 1e15
        case "E": return 1e18
        case "Ki": return 1024
        case "Mi": return 1_048_576
        case "Gi": return 1_073_741_824
        case "Ti": return 1_099_511_627_776
        case "Pi": return 1_125_899_906_842_624
        case "Ei": return 1_152_921_504_606_846_976
        default:
            guard suffix.hasPrefix("e") || suffix.hasPrefix("E"), let exponent = Int(suffix.dropFirst()),
                (-18...18).contains(exponent)
            else { return nil }
            return (0..<exponent.magnitude).reduce(1.0) { value, _ in exponent > 0 ? value * 10 : value / 10 }
        }
    }

    /// Bytes in the largest binary unit that divides them.
    private static func binary(_ bytes: Int64) -> String {
        var (value, unit) = (bytes, 0)
        while value != 0, value % 1024 == 0, unit < 6 { (value, unit) = (value / 1024, unit + 1) }
        return "\(value)" + ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][unit]
    }

    public static func == (one: Quantity, other: Quantity) -> Bool { one.milli == other.milli }
    public static func < (one: Quantity, other: Quantity) -> Bool { one.milli < other.milli }
    public func hash(into hasher: inout Hasher) { hasher.combine(milli) }
}
