/// A probe that says something, sent once by one source to one target.
public struct ProbeRequest: Codable, Sendable, Hashable {
    public enum Question: Codable, Sendable, Hashable {
        /// Opens a connection and closes it: `open`, or why not.
        case connect
        /// Asks for IPv4 addresses: `open` with one, `dnsFailure` with the response code. `{nonce}` in the name is
        /// another text for every query.
        case dns(name: String)
        /// HTTP/1.1: the answer's status.
        case http(method: String, path: String, headers: [String: String])
    }

    /// Unique in the plan.
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
