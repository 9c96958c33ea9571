/// Why a node did not do what it was asked.
public struct NodeLinkError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// No reply came within the deadline.
        case timeout
        /// The channel was lost after the request had been sent. The request may have been carried out.
        case connectionLost
        /// The node booted anew after the request had been sent.
        case nodeRestarted
        /// The link was closed by its owner.
        case closed
        /// More requests wait than the link holds.
        case overloaded
        /// The node answered that it failed: see `failure`.
        case failed
        /// The reply cannot be read, or is of another kind than the request asks for.
        case malformedReply
        /// The calling task was cancelled.
        case cancelled
        /// The request is longer than a frame may be.
        case tooLong
    }

    public let code: Code
    public let node: String
    /// The request's name, for example `createPod default/web-1`.
    public let request: String
    /// What went wrong and the last state seen.
    public let message: String
    /// The node's own words when `code` is `failed`.
    public let failureCode: String?

    init(code: Code, node: String, request: String, message: String, failureCode: String? = nil) {
        self.code = code
        self.node = node
        self.request = request
        self.message = message
        self.failureCode = failureCode
    }

    public var description: String { "node \(node): \(request): \(message)" }
}
