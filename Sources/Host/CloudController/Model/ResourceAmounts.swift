public import JSON

/// Amounts of resources by their names, such as `cpu`, `memory` and `pods`, in thousandths of their units. Sums
/// saturate.
public struct ResourceAmounts: Sendable, Hashable {
    public private(set) var milli: [String: Int64]

    public init(milli: [String: Int64] = [:]) { self.milli = milli }

    /// Reads a resource list, such as `{"cpu": "100m", "memory": "1Gi"}`.
    ///
    /// - Returns: Nil if the value is there and is no list of quantities.
    public init?(_ value: JSONValue?) {
        milli = [:]
        guard let value, value != .null else { return }
        guard let members = value.members, members.count <= 256 else { return nil }
        for (name, value) in members {
            let text: String
            switch value {
            case .string(let given): text = given
            case .integer(let number): text = "\(number)"
            case .number(let number): text = "\(number)"
            default: return nil
            }
            guard let amount = Self.milli(of: text) else { return nil }
            milli[name] = amount
        }
    }

    public subscript(name: String) -> Int64 {
        get { milli[name] ?? 0 }
        set { milli[name] = newValue }
    }

    public static func + (one: Self, other: Self) -> Self {
        Self(milli: one.milli.merging(other.milli) { $0.saturatingSum($1) })
    }

    /// The difference. It has the names of the first list only, and may be below zero.
    public static func - (one: Self, other: Self) -> Self {
        Self(milli: Dictionary(uniqueKeysWithValues: one.milli.map { ($0, $1.saturatingDifference(other[$0])) }))
    }

    /// The larger of both amounts, name by name.
    public func most(_ other: Self) -> Self { Self(milli: milli.merging(other.milli) { max($0, $1) }) }

    /// Whether there is room for these amounts. A resource that has no amount here has no room.
    public func holds(_ other: Self) -> Bool { other.milli.allSatisfy { $1 <= 0 || $1 <= self[$0] } }

    /// As a resource list, each amount in its shortest form.
    public var json: JSONValue {
        .object(Dictionary(uniqueKeysWithValues: milli.map { ($0, .string(Self.text(of: $1, $0))) }))
    }

    // MARK: Quantities

    /// Thousandths of a quantity, rounded up: `100m`, `1.5`, `64Mi`, `1e3`. Nil for what is none.
    static func milli(of text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= 64 else { return nil }
        let isNegative = bytes[0] == UInt8(ascii: "-")
        let start = isNegative || bytes[0] == UInt8(ascii: "+") ? 1 : 0
        let end =
            bytes[start...].firstIndex { !(48...57).contains($0) && $0 != UInt8(ascii: ".") } ?? bytes.endIndex
        let digits = String(decoding: bytes[start..<end], as: UTF8.self)
        guard digits.utf8.contains(where: { (48...57).contains($0) }), digits.utf8.count(where: { $0 == 46 }) <= 1,
            let mantissa = Double("0" + digits + (digits.hasSuffix(".") ? "0" : "")),
            let scale = scale(String(decoding: bytes[end...], as: UTF8.self))
        else { return nil }
        let exact = mantissa * scale * 1000
        let whole = exact.rounded()
        let rounded = (exact - whole).magnitude <= exact * 1e-15 ? whole : exact.rounded(.up)
        let milli = rounded >= 9.2e18 ? Int64.max : Int64(rounded)
        return isNegative ? -milli : milli
    }

    private static func scale(_ suffix: String) -> Double? {
        switch suffix {
        case "n": return 1e-9
        case "u": return 1e-6
        case "m": return 1e-3
        case "": return 1
        case "k": return 1e3
        case "M": return 1e6
        case "G": return 1e9
        case "T": return 1e12
        case "P": return 1e15
        case "E": return 1e18
        case "Ki": return 0x1p10
        case "Mi": return 0x1p20
        case "Gi": return 0x1p30
        case "Ti": return 0x1p40
        case "Pi": return 0x1p50
        case "Ei": return 0x1p60
        default:
            guard suffix.hasPrefix("e") || suffix.hasPrefix("E"), let exponent = Int(suffix.dropFirst()),
                (-18...18).contains(exponent)
            else { return nil }
            return (0..<exponent.magnitude).reduce(1.0) { value, _ in exponent > 0 ? value * 10 : value / 10 }
        }
    }

    /// The shortest text of an amount: bytes in the largest binary unit that divides them.
    private static func text(of milli: Int64, _ name: String) -> String {
        guard milli % 1000 == 0 else { return "\(milli)m" }
        var (value, unit) = (milli / 1000, 0)
        guard name == "memory" || name.hasSuffix("storage") || name.hasPrefix("hugepages-") else { return "\(value)" }
        while value != 0, value % 1024 == 0, unit < 6 { (value, unit) = (value / 1024, unit + 1) }
        return "\(value)" + ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][unit]
    }
}

extension ResourceAmounts: CustomStringConvertible {
    /// As an autoscaler's messages have it: `{"cpu":"821m","memory":"1350Mi","pods":"10"}`.
    public var description: String { json.canonicalText }
}

extension Int64 {
    fileprivate func saturatingSum(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }

    fileprivate func saturatingDifference(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : difference
    }
}
