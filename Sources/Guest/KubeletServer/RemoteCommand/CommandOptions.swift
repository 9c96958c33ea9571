/// Which streams a client asks for, and what to run: the query of `/exec` and `/attach`.
struct CommandOptions: Sendable, Hashable {
    var hasInput: Bool
    var hasOutput: Bool
    var hasErrors: Bool
    var isTerminal: Bool
    var command: [String]

    /// - Throws: `KubeletRefusal` with 400 if no stream is asked for.
    init(_ query: [(name: String, value: String)]) throws(KubeletRefusal) {
        func flag(_ name: String) -> Bool { query.first { $0.name == name }?.value == "1" }
        hasInput = flag("input")
        hasOutput = flag("output")
        isTerminal = flag("tty")
        // A terminal has one output.
        hasErrors = flag("error") && !isTerminal
        command = query.filter { $0.name == "command" }.map(\.value)
        guard hasInput || hasOutput || hasErrors else {
            throw KubeletRefusal(status: 400, message: "you must specify at least 1 of stdin, stdout, stderr")
        }
    }
}

/// The version of the streams' protocol that a SPDY client speaks: `X-Stream-Protocol-Version`.
enum CommandProtocol: String, Sendable, CaseIterable {
    case v4 = "v4.channel.k8s.io"
    case v3 = "v3.channel.k8s.io"
    case v2 = "v2.channel.k8s.io"
    case v1 = "channel.k8s.io"

    /// A terminal's sizes come on a stream of their own.
    var hasSizes: Bool { self == .v4 || self == .v3 }
    /// The stream of errors has a `v1.Status`, for a success too.
    var hasStatusObject: Bool { self == .v4 }

    /// The first of the client's protocols that is served.
    ///
    /// - Returns: `v1` for a client that names none, nil if it names others only.
    static func chosen(by client: [String]) -> CommandProtocol? {
        client.isEmpty ? .v1 : client.lazy.compactMap(CommandProtocol.init(rawValue:)).first
    }
}
