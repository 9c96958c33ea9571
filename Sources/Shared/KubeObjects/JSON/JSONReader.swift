import Hashing

/// What `JSONReader` does not take: no JSON, or JSON that is left to the general decoder.
public struct UnusualJSON: Error, Equatable {
    public init() {}
}

/// Reads JSON (RFC 8259) front to back without building anything in between, for objects of which there are tens of
/// thousands.
///
/// It takes less than JSON allows: numbers that are read are whole, nesting is at most 64 deep, and text is valid
/// UTF-8. What it takes it reads as `JSONDecoder` does; whatever else comes is `UnusualJSON`, and the caller asks
/// `JSONDecoder`, which also has the words for what is wrong. Values that nobody reads are checked all the same.
public struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    /// Of the next octet.
    public private(set) var offset: Int
    private var depth = 0
    private static let deepest = 64

    /// - Parameter bytes: stay where they are as long as the reader.
    public init(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Reads one value that is all there is in the bytes.
    public static func read<Value>(
        _ bytes: some Collection<UInt8>, _ body: (inout JSONReader) throws(UnusualJSON) -> Value
    ) throws(UnusualJSON) -> Value {
        let outcome = bytes.withContiguousStorageIfAvailable { buffer -> Result<Value, UnusualJSON> in
            var reader = JSONReader(buffer)
            do throws(UnusualJSON) {
                let value = try body(&reader)
                guard reader.isAtEnd else { throw UnusualJSON() }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        guard let outcome else { throw UnusualJSON() }
        return try outcome.get()
    }

    /// Only space is left.
    public var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return offset == bytes.count
        }
    }

    // MARK: Values

    /// Calls `member` with each key, when its value is next; it must read the value. A key that comes twice is unusual,
    /// and so are more keys than are watched for that.
    @inline(__always)
    public mutating func object(
        _ member: (JSONKey, inout JSONReader) throws(UnusualJSON) -> Void
    ) throws(UnusualJSON) {
        var signatures = InlineArray<32, UInt64>(repeating: 0)
        var count = 0
        try members { key, reader throws(UnusualJSON) in
            let signature = key.signature
            guard count < 32 else { throw UnusualJSON() }
            for index in 0..<count where signatures[index] == signature { throw UnusualJSON() }
            signatures[count] = signature
            count += 1
            try member(key, &reader)
        }
    }

    @inline(__always)
    private mutating func members(
        _ member: (JSONKey, inout JSONReader) throws(UnusualJSON) -> Void
    ) throws(UnusualJSON) {
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

    /// Calls `element` when an element is next; it must read it.
    @inline(__always)
    public mutating func array(_ element: (inout JSONReader) throws(UnusualJSON) -> Void) throws(UnusualJSON) {
        try enter(UInt8(ascii: "["))
        if take(UInt8(ascii: "]")) { return depth -= 1 }
        repeat { try element(&self) } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        depth -= 1
    }

    public mutating func string() throws(UnusualJSON) -> String {
        let text = try text()
        // Without escapes it is known to be valid.
        return try text.hasEscapes ? Self.unescaped(text.bytes) : String(decoding: text.bytes, as: UTF8.self)
    }

    public mutating func bool() throws(UnusualJSON) -> Bool {
        skipSpace()
        if literal("true") { return true }
        if literal("false") { return false }
        throw UnusualJSON()
    }

    /// A number without fraction and exponent.
    public mutating func integer<Number: FixedWidthInteger>() throws(UnusualJSON) -> Number {
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
        // 18 digits fit; a leading zero and a lone sign are no JSON.
        guard (1...18).contains(offset - digits), offset - digits == 1 || bytes[digits] != UInt8(ascii: "0"),
            offset == bytes.count || !Self.continuesNumber(bytes[offset]),
            let number = Number(exactly: isNegative ? -value : value)
        else {
            offset = start
            throw UnusualJSON()
        }
        return number
    }

    /// Nil for `null`.
    @inline(__always)
    public mutating func optional<Value>(
        _ body: (inout JSONReader) throws(UnusualJSON) -> Value
    ) throws(UnusualJSON) -> Value? {
        skipSpace()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "n") {
            guard literal("null") else { throw UnusualJSON() }
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
    public mutating func skip() throws(UnusualJSON) {
        skipSpace()
        guard offset < bytes.count else { throw UnusualJSON() }
        switch bytes[offset] {
        case UInt8(ascii: "{"): try members { _, reader throws(UnusualJSON) in try reader.skip() }
        case UInt8(ascii: "["): try array { reader throws(UnusualJSON) in try reader.skip() }
        case UInt8(ascii: "\""):
            let text = try text()
            // Escapes may be malformed.
            if text.hasEscapes { _ = try Self.unescaped(text.bytes) }
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
        case UInt8(ascii: "n"): guard literal("null") else { throw UnusualJSON() }
        default: try skipNumber()
        }
    }

    /// Passes over a value by its brackets and quotes alone: for what is read, and then checked, afterwards.
    public mutating func skipUnchecked() throws(UnusualJSON) {
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
        throw UnusualJSON()
    }

    /// From behind a quote to behind the one that ends it.
    private mutating func skipText() throws(UnusualJSON) {
        while offset < bytes.count {
            let octet = bytes[offset]
            offset += 1
            if octet == UInt8(ascii: "\"") { return }
            if octet == UInt8(ascii: "\\") { offset += 1 }
        }
        throw UnusualJSON()
    }

    // MARK: Parts

    private mutating func enter(_ bracket: UInt8) throws(UnusualJSON) {
        try expect(bracket)
        depth += 1
        guard depth <= Self.deepest else { throw UnusualJSON() }
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

    private mutating func expect(_ octet: UInt8) throws(UnusualJSON) {
        guard take(octet) else { throw UnusualJSON() }
    }

    private mutating func literal(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count - offset >= count else { return false }
        for index in 0..<count where bytes[offset + index] != word.utf8Start[index] { return false }
        offset += count
        return true
    }

    private mutating func key() throws(UnusualJSON) -> JSONKey {
        let text = try text()
        if text.hasEscapes { _ = try Self.unescaped(text.bytes) }
        return JSONKey(bytes: text.bytes, hasEscapes: text.hasEscapes)
    }

    /// What is between the quotes, valid UTF-8.
    private mutating func text() throws(UnusualJSON) -> (bytes: UnsafeBufferPointer<UInt8>, hasEscapes: Bool) {
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
                throw UnusualJSON()
            }
            offset += 1
        }
        throw UnusualJSON()
    }

    static func plain(_ bytes: UnsafeBufferPointer<UInt8>) throws(UnusualJSON) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UnusualJSON() }
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

    /// `-? int frac? exp?`
    private mutating func skipNumber() throws(UnusualJSON) {
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        try skipDigits()
        if offset - first > 1, bytes[first] == UInt8(ascii: "0") { throw UnusualJSON() }
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

    private mutating func skipDigits() throws(UnusualJSON) {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        guard offset > start else { throw UnusualJSON() }
    }
}

/// A key of an object, as long as the bytes are there.
public struct JSONKey {
    let bytes: UnsafeBufferPointer<UInt8>
    /// Some encoders write a label's name as `kubernetes.io\/service-name`.
    let hasEscapes: Bool

    public static func ~= (word: StaticString, key: JSONKey) -> Bool {
        if key.hasEscapes { return (try? key.text()) == word.description }
        guard key.bytes.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<key.bytes.count where key.bytes[index] != word.utf8Start[index] { return false }
        return true
    }

    public func text() throws(UnusualJSON) -> String {
        try hasEscapes ? JSONReader.unescaped(bytes) : String(decoding: bytes, as: UTF8.self)
    }

    /// A hash of the key's text. Equal keys have equal signatures; different keys rarely have.
    var signature: UInt64 {
        if hasEscapes, let text = try? text() { return FNV1a64.hash(text.utf8) }
        return FNV1a64.hash(bytes)
    }
}
