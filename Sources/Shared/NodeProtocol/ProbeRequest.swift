/// A probe with content that one source sends once to one target.
public struct ProbeRequest: Codable, Sendable, Hashable {
    public enum Question: Codable, Sendable, Hashable {
        /// Opens a connection and closes it. The outcome is `open`, or the failure.
        case connect
        /// Asks for IPv4 addresses. The outcome is `open` with an address, or `dnsFailure` with the response code.
        /// `{nonce}` in the name is replaced by a different text for every query.
        case dns(name: String)
        /// Sends an HTTP/1.1 request. The outcome is the status of the answer.
        case http(method: String, path: String, headers: [String: String])
    }

    /// The index is unique in the plan.
    public let index: Int
    public let source: ProbeSource
    public let target: ProbeTarget
    public let question: Question

    public init(index: Int, source: ProbeSource, target: ProbeTarget, question: Question) {
        self.index = index
        self.source = source
        self.target = target
        self.question = question
    }
}
