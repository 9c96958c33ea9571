/// A value that could not be read, or written.
///
/// `JSONReader` throws it for text that is no JSON, and for JSON that it leaves to `JSONDecoder`. Visitors throw it,
/// too, with the error that they met.
public struct UnreadableValue: Error {
    /// What is wrong; nil from `JSONReader`, which leaves the words to `JSONDecoder`.
    public let reason: (any Error)?

    public init(_ reason: (any Error)? = nil) { self.reason = reason }
}
