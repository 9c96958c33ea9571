/// A place in a JSON text that moves from front to back, without building what nobody asks for. It is made by
/// `JSONText.read`, and valid within its body only.
public struct JSONCursor {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let limits: JSONText.Limits
    /// Octets before the place.
    public private(set) var offset = 0
    private var depth = 0
    private var values = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ limits: JSONText.Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    // MARK: Values

    /// Reads the next value, whatever it is.
    public mutating func value() throws(JSONText.Mistake) -> JSONValue {
        switch try next() {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try object { key, cursor throws(JSONText.Mistake) in members[key] = try cursor.value() }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try array { cursor throws(JSONText.Mistake) in elements.append(try cursor.value()) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try literal("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try literal("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try literal("null")
            return .null
        default: return try number()
        }
    }

    /// Passes over the next value, checks that it is one, and returns where it lies in the text.
    @discardableResult
    public mutating func skip() throws(JSONText.Mistake) -> Range<Int> {
        let first = try next()
        let start = offset
        switch first {
        case UInt8(ascii: "{"): try members { key, cursor throws(JSONText.Mistake) in _ = try cursor.skip() }
        case UInt8(ascii: "["): try array { cursor throws(JSONText.Mistake) in _ = try cursor.skip() }
        case UInt8(ascii: "\""):
            let text = try text()
            // The escapes may be malformed.
            if text.hasEscapes { _ = try unescaped(text.range) }
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: _ = try numberRange()
        }
        return start..<offset
    }

    /// Calls `member` with each key when the key's value is next. It must read the value. Keys may repeat.
    public mutating func object(
        _ member: (String, inout JSONCursor) throws(JSONText.Mistake) -> Void
    ) throws(JSONText.Mistake) {
        try members { key, cursor throws(JSONText.Mistake) in try member(try cursor.string(key), &cursor) }
    }

    /// Calls `element` when an element is next. It must read the element.
    public mutating func array(
        _ element: (inout JSONCursor) throws(JSONText.Mistake) -> Void
    ) throws(JSONText.Mistake) {
        try enter(UInt8(ascii: "["))
        if try take(UInt8(ascii: "]")) { return depth -= 1 }
        repeat {
            try count()
            try element(&self)
        } while try take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        depth -= 1
    }

    public mutating func string() throws(JSONText.Mistake) -> String { try string(try text()) }

    /// Reads the next value if it is text. What it is else is passed over, and the result is nil.
    public mutating func stringIfAny() throws(JSONText.Mistake) -> String? {
        if try next() == UInt8(ascii: "\"") { return try string() }
        try skip()
        return nil
    }

    /// Whether an object is next.
    public mutating func isAtObject() throws(JSONText.Mistake) -> Bool { try next() == UInt8(ascii: "{") }

    /// Whether an array is next.
    public mutating func isAtArray() throws(JSONText.Mistake) -> Bool { try next() == UInt8(ascii: "[") }

    // MARK: Parts

    /// What is between two quotes.
    private struct Text {
        let range: Range<Int>
        let hasEscapes: Bool
        let isASCII: Bool
    }

    private mutating func members(
        _ member: (Text, inout JSONCursor) throws(JSONText.Mistake) -> Void
    ) throws(JSONText.Mistake) {
        try enter(UInt8(ascii: "{"))
        if try take(UInt8(ascii: "}")) { return depth -= 1 }
        repeat {
            try count()
            _ = try next()
            let key = try text()
            if key.hasEscapes { _ = try unescaped(key.range) }
            try expect(UInt8(ascii: ":"))
            try member(key, &self)
        } while try take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        depth -= 1
    }

    private mutating func count() throws(JSONText.Mistake) {
        values += 1
        guard values <= limits.values else { throw mistake("more than \(limits.values) values") }
    }

    private mutating func enter(_ bracket: UInt8) throws(JSONText.Mistake) {
        try expect(bracket)
        depth += 1
        guard depth <= limits.depth else { throw mistake("more than \(limits.depth) levels") }
    }

    func mistake(_ problem: String, at place: Int? = nil) -> JSONText.Mistake {
        JSONText.Mistake(offset: place ?? offset, problem: problem)
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    /// The next octet that is no white space. It is not passed over.
    private mutating func next() throws(JSONText.Mistake) -> UInt8 {
        skipSpace()
        guard offset < bytes.count else { throw mistake("the text ends too early") }
        return bytes[offset]
    }

    private mutating func take(_ octet: UInt8) throws(JSONText.Mistake) -> Bool {
        guard try next() == octet else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ octet: UInt8) throws(JSONText.Mistake) {
        guard try take(octet) else { throw mistake("expected \(Character(Unicode.Scalar(octet)))") }
    }

    mutating func expectEnd() throws(JSONText.Mistake) {
        skipSpace()
        guard offset == bytes.count else { throw mistake("more after the value") }
    }

    private mutating func literal(_ word: StaticString) throws(JSONText.Mistake) {
        let count = word.utf8CodeUnitCount
        guard bytes.count - offset >= count else { throw mistake("the text ends too early") }
        for index in 0..<count where bytes[offset + index] != word.utf8Start[index] {
            throw mistake("no value of JSON")
        }
        offset += count
    }

    // MARK: Text

    private mutating func text() throws(JSONText.Mistake) -> Text {
        try expect(UInt8(ascii: "\""))
        let start = offset
        var hasEscapes = false
        var all: UInt8 = 0
        while offset < bytes.count {
            let octet = bytes[offset]
            if octet == UInt8(ascii: "\"") {
                let range = start..<offset
                if all >= 0x80 {
                    guard String(validating: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) != nil else {
                        throw mistake("text is not UTF-8", at: start)
                    }
                }
                offset += 1
                return Text(range: range, hasEscapes: hasEscapes, isASCII: all < 0x80)
            }
            all |= octet
            if octet == UInt8(ascii: "\\") {
                hasEscapes = true
                offset += 1
            } else if octet < 0x20 {
                throw mistake("control character in text")
            }
            offset += 1
        }
        offset = bytes.count
        throw mistake("the text ends too early")
    }

    private func string(_ text: Text) throws(JSONText.Mistake) -> String {
        try text.hasEscapes
            ? unescaped(text.range)
            : String(decoding: UnsafeBufferPointer(rebasing: bytes[text.range]), as: UTF8.self)
    }

    /// Resolves escapes (RFC 8259, section 7). The octets are valid UTF-8.
    private func unescaped(_ range: Range<Int>) throws(JSONText.Mistake) -> String {
        var plain: [UInt8] = []
        plain.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let octet = bytes[index]
            index += 1
            guard octet == UInt8(ascii: "\\") else {
                plain.append(octet)
                continue
            }
            guard index < range.upperBound else { throw mistake("no such escape", at: index) }
            let letter = bytes[index]
            index += 1
            switch letter {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain.append(letter)
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "u"): plain += UTF8.encode(try scalar(&index, range.upperBound)) ?? .init()
            default: throw mistake("no such escape", at: index - 1)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// After `\u`: four hexadecimal digits, or two surrogates.
    private func scalar(_ index: inout Int, _ end: Int) throws(JSONText.Mistake) -> Unicode.Scalar {
        let place = index
        let first = try unit(&index, end)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(UInt16(truncatingIfNeeded: first)), end - index >= 2,
            bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
        else { throw mistake("half a surrogate pair", at: place) }
        index += 2
        let second = try unit(&index, end)
        guard UTF16.isTrailSurrogate(UInt16(truncatingIfNeeded: second)),
            let scalar = Unicode.Scalar(0x1_0000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw mistake("half a surrogate pair", at: place) }
        return scalar
    }

    private func unit(_ index: inout Int, _ end: Int) throws(JSONText.Mistake) -> UInt32 {
        guard end - index >= 4 else { throw mistake("no four hexadecimal digits", at: index) }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let octet = bytes[index]
            let digit: UInt8
            switch octet {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = octet - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = octet - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = octet - UInt8(ascii: "A") + 10
            default: throw mistake("no four hexadecimal digits", at: index)
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }

    // MARK: Numbers

    /// Passes over a number: `-? int frac? exp?` (RFC 8259, section 6).
    private mutating func numberRange() throws(JSONText.Mistake) -> (range: Range<Int>, isWhole: Bool) {
        let start = offset
        var isWhole = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        guard skipDigits() > 0 else { throw mistake("no value of JSON", at: start) }
        if offset - first > 1, bytes[first] == UInt8(ascii: "0") {
            throw mistake("a number with a leading zero", at: start)
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            guard skipDigits() > 0 else { throw mistake("no digit after the point") }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") || bytes[offset] == UInt8(ascii: "+") {
                offset += 1
            }
            guard skipDigits() > 0 else { throw mistake("no digit in the exponent") }
        }
        return (start..<offset, isWhole)
    }

    private mutating func skipDigits() -> Int {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        return offset - start
    }

    /// Whole numbers that fit into 64 bits are exact.
    private mutating func number() throws(JSONText.Mistake) -> JSONValue {
        let (range, isWhole) = try numberRange()
        let text = UnsafeBufferPointer(rebasing: bytes[range])
        // 18 digits fit.
        if isWhole, range.count <= 18 {
            let isNegative = text[0] == UInt8(ascii: "-")
            var value: Int64 = 0
            for octet in text.dropFirst(isNegative ? 1 : 0) { value = value &* 10 &+ Int64(octet &- UInt8(ascii: "0")) }
            return .integer(isNegative ? -value : value)
        }
        // A number has no need of more, and reading it takes time that grows faster than its length.
        guard range.count <= 400 else { throw mistake("a number of \(range.count) digits", at: range.lowerBound) }
        let digits = String(decoding: text, as: UTF8.self)
        if isWhole, let value = Int64(digits) { return .integer(value) }
        guard let value = Double(digits), value.isFinite else {
            throw mistake("a number that is too large", at: range.lowerBound)
        }
        if let whole = Int64(exactly: value) { return .integer(whole) }
        return .number(value)
    }
}
