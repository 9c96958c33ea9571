import KubeClient

/// Why an object is not as a file wants it: mostly the API server's refusal, in its own words.
public struct ObjectRefusal: Error, Sendable, CustomStringConvertible {
    /// What was asked for: `apply Deployment default/web`.
    public let action: String
    /// Where the file has it; nil if that is no place of its own.
    public let place: String?
    public let words: String

    init(_ action: String, at place: String? = nil, _ words: String) {
        self.action = action
        self.place = place
        self.words = words
    }

    init(_ action: String, at place: String? = nil, _ error: any Error) {
        // The message is what kubectl shows.
        let status = (error as? KubeClientError)?.status
        self.init(action, at: place, status.map { $0.message.isEmpty ? "\($0)" : $0.message } ?? "\(error)")
    }

    public var description: String { (place.map { "\($0): " } ?? "") + "\(action): \(words)" }
}
