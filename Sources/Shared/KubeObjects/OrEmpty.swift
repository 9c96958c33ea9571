/// A collection that Kubernetes leaves out when it is empty: absent, `null` and empty are the same.
@propertyWrapper
public struct OrEmpty<Value: Codable & Sendable & Hashable & Collection & EmptyCollection>: Codable, Sendable, Hashable
{
    public var wrappedValue: Value
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
    public init() { wrappedValue = Value() }
    public init(from decoder: any Decoder) throws {
        wrappedValue = try decoder.singleValueContainer().decode(Value.self)
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}

/// Lists and mappings: what there is an empty one of.
public protocol EmptyCollection { init() }
extension Array: EmptyCollection {}
extension Dictionary: EmptyCollection {}

// Synthesized conformances call these rather than the general ones, so that a missing key is an empty collection.
extension KeyedDecodingContainer {
    public func decode<Value>(_: OrEmpty<Value>.Type, forKey key: Key) throws -> OrEmpty<Value> {
        try decodeIfPresent(Value.self, forKey: key).map(OrEmpty.init(wrappedValue:)) ?? OrEmpty()
    }

    /// The value of a key, or what Kubernetes takes when there is none.
    func read<Value: Decodable>(_ key: Key, or standard: Value) throws -> Value {
        try decodeIfPresent(Value.self, forKey: key) ?? standard
    }
}

extension KeyedEncodingContainer {
    public mutating func encode<Value>(_ value: OrEmpty<Value>, forKey key: Key) throws {
        if !value.wrappedValue.isEmpty { try encode(value.wrappedValue, forKey: key) }
    }
}
