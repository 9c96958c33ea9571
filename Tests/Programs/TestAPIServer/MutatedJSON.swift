public import Hashing
public import JSON

/// Seeded changes of JSON.
public enum MutatedJSON {
    /// Puts something else in the place of a member, doubles it or takes it away, in some places.
    public static func value(_ value: JSONValue, _ random: inout SplitMix64) -> JSONValue {
        if Int.random(in: 0..<25, using: &random) == 0 { return strange(&random) }
        switch value {
        case .object(let members):
            var result: [String: JSONValue] = [:]
            for (key, member) in members.sorted(by: { $0.key < $1.key }) {
                switch Int.random(in: 0..<50, using: &random) {
                case 0: continue
                case 1: result[key + "x"] = member
                default: result[key] = self.value(member, &random)
                }
            }
            return .object(result)
        case .array(let elements):
            let changed = elements.map { self.value($0, &random) }
            return .array(Int.random(in: 0..<20, using: &random) == 0 ? changed + changed : changed)
        default: return value
        }
    }

    private static func strange(_ random: inout SplitMix64) -> JSONValue {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: .null
        case 1: .integer(Int64(bitPattern: random.next()))
        case 2: .integer([0, -1, 65_536, 4_294_967_296].randomElement(using: &random) ?? 0)
        case 3: .number(1.5e300)
        case 4: .string("")
        case 5: .string(String(repeating: "x", count: Int.random(in: 1..<5000, using: &random)))
        case 6: .string(["999.1.1.1/33", "é\u{0}", "../..", "10.0.0.0/0", "-1"].randomElement(using: &random) ?? "")
        case 7: .array([])
        case 8: .object([:])
        default: .bool(Bool.random(using: &random))
        }
    }

    /// Changes, removes or doubles some bytes.
    public static func bytes(_ original: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: index)
            default: bytes.insert(bytes[index], at: index)
            }
        }
        return bytes
    }
}
