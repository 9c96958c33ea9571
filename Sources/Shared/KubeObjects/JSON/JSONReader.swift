import Hashing

/// Reads JSON (RFC 8259) front to back without building anything in between, for objects of which there are tens of
/// thousands.
///
/// It takes less than JSON allows: numbers that are read are whole, nesting is at most 64 deep, and text is valid
/// UTF-8. What it takes it reads as `JSONDecoder` does; for everything else it throws, and the caller asks
/// `JSONDecoder`, which also has the words for what is wrong. Values that nobody reads are checked all the same.
public struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    /// The position of the next octet.
    public private(set) var offset: Int
    private var depth = 0
    private static let deepest = 64

    /// - Parameter bytes: The text. It must stay where it is as long as the reader is used.
    public init(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Reads one value that is all there is in the bytes.
    public static func read<Value>(
        _ bytes: some Collection<UInt8>, _ body: (inout JSONReader) throws(UnreadableValue) -> Value
    ) throws(UnreadableValue) -> Value {
        let outcome = bytes.withContiguousStorageIfAvailable { buffer -> Result<Value, UnreadableValue> in
            var reader = JSONReader(buffer)
            do throws(UnreadableValue) {
                let value = try body(&reader)
                guard reader.isAtEnd else { throw UnreadableValue() }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        guard let outcome else { throw UnreadableValue() }
        return try outcome.get()
    }

    /// Whether only white space is left.
    public var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return offset == bytes.count
        }
    }

    // MARK: Values

    /// Calls `member` with each key when the key's value is next. It must read the value. A key that comes twice is
    /// unusual, and so is an object of more than 32 keys, which are not compared any more.
    @inline(__always)
    public mutating func object(
        _ member: (JSONKey, inout JSONReader) throws(UnreadableValue) -> Void
    ) throws(UnreadableValue) {
        var signatures = InlineArray<32, UInt64>(repeating: 0)
        var count = 0
        try members { key, reader throws(UnreadableValue) in
            let signature = key.signature
            guard count < 32 else { throw UnreadableValue() }
            for index in 0..<count where signatures[index] == signature { throw UnreadableValue() }
            signatures[count] = signature
            count += 1
            try member(key, &reader)
        }
    }

    /// Calls `member` with each key when the key's value is next. It must read the value. Keys may repeat.
    @inline(__always)
    public mutating func members(
        _ member: (JSONKey, inout JSONReader) throws(UnreadableValue) -> Void
    ) throws(UnreadableValue) {
        try enter(UInt8(ascii: "{"))
        if take(UInt8(ascii: "}")) { return depth -= 1 }
        repeat {
            let key = try key()
            try expect(UInt8(ascii: ":"))
            try member(key, &self)
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        depth -= 1
    }

    /// Calls `element` when an element is next. It must read the element.
    @inline(__always)
    public mutating func array(_ element: (inout JSONReader) throws(UnreadableValue) -> Void) throws(UnreadableValue) {
        try enter(UInt8(ascii: "["))
        if take(UInt8(ascii: "]")) { return depth -= 1 }
        repeat { try element(&self) } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        depth -= 1
    }

    public mutating func string() throws(UnreadableValue) -> String {
        let text = try text()
        // Text without escapes is known to be valid UTF-8 already.
        return try text.hasEscapes ? Self.unescaped(text.bytes) : String(decoding: text.bytes, as: UTF8.self)
    }

    public mutating func bool() throws(UnreadableValue) -> Bool {
        skipSpace()
        if literal("true") { return true }
        if literal("false") { return false }
        throw UnreadableValue()
    }

    /// Reads a number without fraction and exponent.
    public mutating func integer<Number: FixedWidthInteger>() throws(UnreadableValue) -> Number {
        skipSpace()
        let start = offset
        let isNegative = offset < bytes.count && bytes[offset] == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        let digits = offset
        var value = 0
        while offset < bytes.count, case let digit = bytes[offset] &- UInt8(ascii: "0"), digit < 10 {
            value = value &* 10 &+ Int(digit)
            offset += 1
        }
        // Numbers of 18 digits fit into 64 bits. JSON allows neither leading zeros nor a sign alone.
        guard (1...18).contains(offset - digits), offset - digits == 1 || bytes[digits] != UInt8(ascii: "0"),
            offset == bytes.count || !Self.continuesNumber(bytes[offset]),
            let number = Number(exactly: isNegative ? -value : value)
        else {
            offset = start
            throw UnreadableValue()
        }
        return number
    }

    /// Reads a value that may be `null`, for which it is nil.
    @inline(__always)
    public mutating func optional<Value>(
        _ body: (inout JSONReader) throws(UnreadableValue) -> Value
    ) throws(UnreadableValue) -> Value? {
        skipSpace()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "n") {
            guard literal("null") else { throw UnreadableValue() }
            return nil
        }
        return try body(&self)
    }

    /// Whether text is next.
    public var isAtString: Bool {
        mutating get {
            skipSpace()
            return offset < bytes.count && bytes[offset] == UInt8(ascii: "\"")
        }
    }

    /// Passes over any value.
    public mutating func skip() throws(UnreadableValue) {
        skipSpace()
        guard offset < bytes.count else { throw UnreadableValue() }
        switch bytes[offset] {
        case UInt8(ascii: "{"): try members { _, reader throws(UnreadableValue) in try reader.skip() }
        case UInt8(ascii: "["): try array { reader throws(UnreadableValue) in try reader.skip() }
        case UInt8(ascii: "\""):
            let text = try text()
            // The escapes may be malformed.
            if text.hasEscapes { _ = try Self.unescaped(text.bytes) }
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
        case UInt8(ascii: "n"): guard literal("null") else { throw UnreadableValue() }
        default: try skipNumber()
        }
    }

    /// Passes over a value by its brackets and quotes alone, without checking it. It is meant for values that are read
    /// later, and checked then.
    public mutating func skipUnchecked() throws(UnreadableValue) {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "[") || bytes[offset] == UInt8(ascii: "{") else {
            return try skip()
        }
        var open = 0
        while offset < bytes.count {
            let octet = bytes[offset]
            offset += 1
            switch octet {
            case UInt8(ascii: "\""): try skipText()
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                open -= 1
                if open == 0 { return }
            default: break
            }
        }
        throw UnreadableValue()
    }

    /// Passes over a text whose first quote has been read, and over its last quote.
    private mutating func skipText() throws(UnreadableValue) {
        while offset < bytes.count {
            let octet = bytes[offset]
            offset += 1
            if octet == UInt8(ascii: "\"") { return }
            if octet == UInt8(ascii: "\\") { offset += 1 }
        }
        throw UnreadableValue()
    }

    // MARK: Parts

    private mutating func enter(_ bracket: UInt8) throws(UnreadableValue) {
        try expect(bracket)
        depth += 1
        guard depth <= Self.deepest else { throw UnreadableValue() }
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    private mutating func take(_ octet: UInt8) -> Bool {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == octet else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ octet: UInt8) throws(UnreadableValue) {
        guard take(octet) else { throw UnreadableValue() }
    }

    private mutating func literal(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count - offset >= count else { return false }
        for index in 0..<count where bytes[offset + index] != word.utf8Start[index] { return false }
        offset += count
        return true
    }

    private mutating func key() throws(UnreadableValue) -> JSONKey {
        let text = try text()
        if text.hasEscapes { _ = try Self.unescaped(text.bytes) }
        return JSONKey(bytes: text.bytes, hasEscapes: text.hasEscapes)
    }

    /// Reads a text and answers what is between its quotes, which is valid UTF-8.
    private mutating func text() throws(UnreadableValue) -> (bytes: UnsafeBufferPointer<UInt8>, hasEscapes: Bool) {
        try expect(UInt8(ascii: "\""))
        let start = offset
        var hasEscapes = false
        var all: UInt8 = 0
        while offset < bytes.count {
            let octet = bytes[offset]
            if octet == UInt8(ascii: "\"") {
                let text = UnsafeBufferPointer(rebasing: bytes[start..<offset])
                offset += 1
                if all >= 0x80 { _ = try Self.plain(text) }
                return (text, hasEscapes)
            }
            all |= octet
            if octet == UInt8(ascii: "\\") {
                hasEscapes = true
                offset += 1
            } else if octet < 0x20 {
                throw UnreadableValue()
            }
            offset += 1
        }
        throw UnreadableValue()
    }

    static func plain(_ bytes: UnsafeBufferPointer<UInt8>) throws(UnreadableValue) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UnreadableValue() }
        return text
    }

    private static func continuesNumber(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
            UInt8(ascii: "-"), UInt8(ascii: "+"):
            true
        default: false
        }
    }

    /// Passes over a number: `-? int frac? exp?` (RFC 8259, section 6).
    private mutating func skipNumber() throws(UnreadableValue) {
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        try skipDigits()
        if offset - first > 1, bytes[first] == UInt8(ascii: "0") { throw UnreadableValue() }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try skipDigits()
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") || bytes[offset] == UInt8(ascii: "+") {
                offset += 1
            }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(UnreadableValue) {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        guard offset > start else { throw UnreadableValue() }
    }
}

/// A key of an object. It is valid only as long as the text that it points into.
public struct JSONKey {
    let bytes: UnsafeBufferPointer<UInt8>
    /// Whether the key has escapes. Some encoders write a label's name as `kubernetes.io\/service-name`.
    let hasEscapes: Bool

    public static func ~= (word: StaticString, key: JSONKey) -> Bool {
        if key.hasEscapes { return (try? key.text()) == word.description }
        guard key.bytes.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<key.bytes.count where key.bytes[index] != word.utf8Start[index] { return false }
        return true
    }

    public func text() throws(UnreadableValue) -> String {
        try hasEscapes ? JSONReader.unescaped(bytes) : String(decoding: bytes, as: UTF8.self)
    }

    /// A hash of the key's text. Equal keys have equal signatures; different keys rarely have.
    var signature: UInt64 {
        if hasEscapes, let text = try? text() { return FNV1a64.hash(text.utf8) }
        return FNV1a64.hash(bytes)
    }
}
