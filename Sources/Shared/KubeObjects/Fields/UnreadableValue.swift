/// A value that could not be read, or written.
///
/// `JSONReader` throws it for text that is no JSON, and for JSON that it leaves to `JSONDecoder`. It is one type for all
/// sources and visitors, rather than a type of each, because the compiler does not specialise functions whose error
/// type is generic.
public struct UnreadableValue: Error {
    /// What is wrong; nil from `JSONReader`, which leaves the words to `JSONDecoder`.
    public let reason: (any Error)?

    public init(_ reason: (any Error)? = nil) { self.reason = reason }
}
