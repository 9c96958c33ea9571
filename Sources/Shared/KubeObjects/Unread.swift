/// A field that is there and whose content is not read. Where leaving a field out of account would change the meaning
/// of an object (a policy would allow more than it says), this tells that it was given.
public struct Unread: Codable, Sendable, Hashable {
    public init() {}
    public init(from decoder: any Decoder) throws {}
    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(true)
    }
}
