import Shapes

/// What a field of a Kubernetes object can hold.
public protocol FieldValue: Codable, Sendable, Hashable {
    /// What a manifest may have for such a value, unless the field's line says it more closely.
    static var shape: Shape { get }

    /// Reads a value that is not null.
    static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Self

    /// Whether Kubernetes leaves a field with this value out: nil, an empty list, an empty mapping.
    var isLeftOut: Bool { get }
}

extension FieldValue {
    @inline(__always)
    public var isLeftOut: Bool { false }
}

/// Something that values are read from, front to back: JSON, or a node of YAML.
public protocol ValueSource {
    /// The key of a member of an object.
    associatedtype Key

    mutating func string() throws(UnreadableValue) -> String
    mutating func bool() throws(UnreadableValue) -> Bool
    /// Reads a number without fraction and exponent.
    mutating func integer<Number: FixedWidthInteger>() throws(UnreadableValue) -> Number
    /// Passes over a null, if one is next, and says whether it did.
    mutating func takeNull() throws(UnreadableValue) -> Bool
    /// Whether text is next, and not a number.
    var isAtString: Bool { mutating get }
    /// Calls `element` when an element is next. It must read the element.
    mutating func array(_ element: (inout Self) throws(UnreadableValue) -> Void) throws(UnreadableValue)
    /// Calls `member` with each key when the key's value is next. It must read the value. Keys may repeat.
    mutating func members(_ member: (Key, inout Self) throws(UnreadableValue) -> Void) throws(UnreadableValue)
    func isKey(_ key: Key, _ name: StaticString) -> Bool
    func text(of key: Key) throws(UnreadableValue) -> String
    /// Passes over any value.
    mutating func skip() throws(UnreadableValue)
    /// An error that says what is wrong with the value that was read last.
    func failure(_ message: @autoclosure () -> String) -> UnreadableValue
}

extension String: FieldValue {
    public static var shape: Shape { .text() }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> String {
        try source.string()
    }
}

extension Bool: FieldValue {
    public static var shape: Shape { .flag }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Bool {
        try source.bool()
    }
}

extension Int: FieldValue {
    public static var shape: Shape { .integer(Int.min...Int.max) }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Int {
        try source.integer()
    }
}

/// A port's number.
extension UInt16: FieldValue {
    public static var shape: Shape { .integer(1...65_535) }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> UInt16 {
        try source.integer()
    }
}

/// Null and a field that is left out are nil.
extension Optional: FieldValue where Wrapped: FieldValue {
    public static var shape: Shape { Wrapped.shape }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Wrapped? {
        try Wrapped.read(from: &source)
    }
    @inline(__always)
    public var isLeftOut: Bool { self == nil }
}

/// Null and a field that is left out are the empty list, unless the property is optional.
extension Array: FieldValue where Element: FieldValue {
    public static var shape: Shape { .list(Element.shape) }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> [Element] {
        var list: [Element] = []
        try source.array { source throws(UnreadableValue) in list.append(try Element.read(from: &source)) }
        return list
    }
    @inline(__always)
    public var isLeftOut: Bool { isEmpty }
}

/// Null and a field that is left out are the empty mapping.
extension Dictionary: FieldValue where Key == String, Value == String {
    public static var shape: Shape { .map(.any, .text()) }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> [String: String] {
        var table: [String: String] = [:]
        try source.members { key, source throws(UnreadableValue) in
            let name = try source.text(of: key)
            guard table.updateValue(try source.string(), forKey: name) == nil else {
                throw source.failure("\(name) is given twice")
            }
        }
        return table
    }
    @inline(__always)
    public var isLeftOut: Bool { isEmpty }
}

/// One of a set of words.
public protocol FieldWord: FieldValue, RawRepresentable, CaseIterable where RawValue == String {}

extension FieldWord {
    public static var shape: Shape { .choice(allCases.map(\.rawValue)) }
    @inline(__always)
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Self {
        let text = try source.string()
        guard let word = Self(rawValue: text) else {
            throw source.failure("\(text) is not one of " + allCases.map(\.rawValue).joined(separator: ", "))
        }
        return word
    }
}

/// A field that is there and whose content is not read. Where leaving a field out of account would change the meaning
/// of an object (a policy would allow more than it says), this tells that it was given.
public struct Unread: FieldValue {
    public static var shape: Shape { .any }
    public init() {}
    public static func read<Source: ValueSource>(from source: inout Source) throws(UnreadableValue) -> Unread {
        try source.skip()
        return Unread()
    }
    public init(from decoder: any Decoder) throws {}
    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(true)
    }
}
