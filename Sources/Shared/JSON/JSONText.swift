/// JSON text (RFC 8259) to values and back, an order of magnitude faster than by `Codable`.
///
/// The text may come from strangers: it is bounded by `Limits`, and whatever it is, it ends in a value or in a
/// `Mistake`. It must be valid UTF-8. Of members with the same key the last one counts, as in Go.
public enum JSONText {
    /// How large a text may be.
    public struct Limits: Sendable, Hashable {
        /// Octets of the text.
        public var octets = 64 << 20
        /// Values, the members of objects and the elements of arrays among them. Each takes some 50 octets of memory.
        public var values = 4_000_000
        /// Arrays and objects within each other.
        public var depth = 200

        public init() {}
    }

    /// Why a text is not read.
    public struct Mistake: Error, Sendable, Hashable, CustomStringConvertible {
        /// Octets before the place.
        public let offset: Int
        public let problem: String

        public init(offset: Int, problem: String) {
            self.offset = offset
            self.problem = problem
        }

        public var description: String { "JSON at octet \(offset): \(problem)" }
    }

    /// Reads a text that is one value.
    public static func value(
        of octets: some Collection<UInt8>, limits: Limits = Limits()
    ) throws(Mistake) -> JSONValue {
        try read(octets, limits: limits) { cursor throws(Mistake) in try cursor.value() }
    }

    /// Reads a text front to back, with the body's own choice of what becomes of it. The body must read all of it.
    public static func read<Value>(
        _ octets: some Collection<UInt8>, limits: Limits = Limits(),
        _ body: (inout JSONCursor) throws(Mistake) -> Value
    ) throws(Mistake) -> Value {
        let outcome = octets.withContiguousStorageIfAvailable { buffer in run(body, on: buffer, limits) }
        if let outcome { return try outcome.get() }
        return try Array(octets).withUnsafeBufferPointer { buffer in run(body, on: buffer, limits) }.get()
    }

    private static func run<Value>(
        _ body: (inout JSONCursor) throws(Mistake) -> Value, on buffer: UnsafeBufferPointer<UInt8>, _ limits: Limits
    ) -> Result<Value, Mistake> {
        guard buffer.count <= limits.octets else {
            return .failure(Mistake(offset: limits.octets, problem: "more than \(limits.octets) octets"))
        }
        var cursor = JSONCursor(buffer, limits)
        do throws(Mistake) {
            let value = try body(&cursor)
            try cursor.expectEnd()
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    /// The text of a value. With sorted keys, equal values have equal texts.
    public static func octets(of value: JSONValue, sortedKeys: Bool = true) -> [UInt8] {
        var writer = JSONWriter(sortedKeys: sortedKeys)
        writer.write(value)
        return writer.octets
    }
}

/// Writes JSON text without white space. `/` is not escaped, nor is text beyond ASCII.
struct JSONWriter {
    let sortedKeys: Bool
    private(set) var octets: [UInt8] = []

    init(sortedKeys: Bool) { self.sortedKeys = sortedKeys }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: octets += "null".utf8
        case .bool(let value): octets += (value ? "true" : "false").utf8
        case .integer(let value): octets += String(value).utf8
        // JSON has no text for a number that is infinite or not a number, and none was ever read from JSON.
        case .number(let value): octets += (value.isFinite ? String(describing: value) : "null").utf8
        case .string(let value): write(value)
        case .array(let elements):
            octets.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { octets.append(UInt8(ascii: ",")) }
                write(element)
            }
            octets.append(UInt8(ascii: "]"))
        case .object(let members):
            octets.append(UInt8(ascii: "{"))
            var isFirst = true
            func begin() {
                if !isFirst { octets.append(UInt8(ascii: ",")) }
                isFirst = false
            }
            if sortedKeys {
                for (key, member) in members.sorted(by: { $0.key < $1.key }) {
                    begin()
                    write(key, member)
                }
            } else {
                for (key, member) in members {
                    begin()
                    write(key, member)
                }
            }
            octets.append(UInt8(ascii: "}"))
        }
    }

    private mutating func write(_ key: String, _ member: JSONValue) {
        write(key)
        octets.append(UInt8(ascii: ":"))
        write(member)
    }

    private mutating func write(_ text: String) {
        octets.append(UInt8(ascii: "\""))
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "\""): octets += #"\""#.utf8
            case UInt8(ascii: "\\"): octets += #"\\"#.utf8
            case 0x0A: octets += #"\n"#.utf8
            case 0x0D: octets += #"\r"#.utf8
            case 0x09: octets += #"\t"#.utf8
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                octets += #"\u00"#.utf8
                octets += [digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            default: octets.append(octet)
            }
        }
        octets.append(UInt8(ascii: "\""))
    }
}
