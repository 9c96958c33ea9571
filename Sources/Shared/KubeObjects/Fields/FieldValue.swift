import Shapes

/// What a field of a Kubernetes object can hold.
public protocol FieldValue: Codable, Sendable, Hashable {
    /// What a manifest may have for such a value, unless the field's line says it more closely.
    static var shape: Shape { get }

    /// Reads a value that is not null. The source is `JSONReader` and not any source of values: the compiler does not
    /// specialise readers that are generic in it, and objects were read four times as slowly.
    static func read(from source: inout JSONReader) throws(UnreadableValue) -> Self

    /// Whether Kubernetes leaves a field with this value out: nil, an empty list, an empty mapping.
    var isLeftOut: Bool { get }
}

extension FieldValue {
    @inline(__always)
    public var isLeftOut: Bool { false }
}

extension String: FieldValue {
    public static var shape: Shape { .text() }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> String {
        try source.string()
    }
}

extension Bool: FieldValue {
    public static var shape: Shape { .flag }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Bool {
        try source.bool()
    }
}

extension Int: FieldValue {
    public static var shape: Shape { .integer(Int.min...Int.max) }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Int {
        try source.integer()
    }
}

/// A port's number.
extension UInt16: FieldValue {
    public static var shape: Shape { .integer(1...65_535) }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> UInt16 {
        try source.integer()
    }
}

/// Null and a field that is left out are nil.
extension Optional: FieldValue where Wrapped: FieldValue {
    public static var shape: Shape { Wrapped.shape }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Wrapped? {
        try Wrapped.read(from: &source)
    }
    @inline(__always)
    public var isLeftOut: Bool { self == nil }
}

/// Null and a field that is left out are the empty list, unless the property is optional.
extension Array: FieldValue where Element: FieldValue {
    public static var shape: Shape { .list(Element.shape) }
    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> [Element] {
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
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> [String: String] {
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
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Self {
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
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Unread {
        try source.skip()
        return Unread()
    }
    public init(from decoder: any Decoder) throws {}
    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(true)
    }
}
