/// A report, or a part of it, that could not be written or read.
public struct ReportError: Error, CustomStringConvertible, Sendable, Equatable {
    public enum Code: String, Sendable {
        case diskFull = "disk-full"
        case notWritten = "not-written"
        case unreadable
    }
    public let code: Code
    /// The file.
    public let subject: String
    /// What failed, and what the user can do.
    public let message: String

    public init(code: Code, subject: String, message: String) {
        self.code = code
        self.subject = subject
        self.message = message
    }

    public var description: String { "\(subject): \(message)" }
}
