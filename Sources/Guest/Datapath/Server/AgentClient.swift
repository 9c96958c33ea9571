import AgentAPI
import LinuxKernel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// One connection to a running agent.
package struct AgentClient: ~Copyable {
    private let connection: FileDescriptor
    private var lines = LineBuffer(limit: 64 << 20)

    /// - Throws: `SystemError`, which is `ENOENT` or `ECONNREFUSED` if no agent runs.
    package init(socketPath: String) throws(SystemError) { connection = try UnixSocket.connect(to: socketPath) }

    /// Sends a request and waits for the answer.
    ///
    /// - Throws: `AgentError` as the agent gave it, `timeout` if the deadline passed, or `disconnected` if the agent
    ///   ended meanwhile.
    package mutating func call<Parameters: Codable & Sendable, Result: Codable & Sendable>(
        _ method: AgentMethod, _ parameters: Parameters?, returning type: Result.Type = Result.self,
        deadline: Deadline = .after(.seconds(30))
    ) throws -> Result {
        let request = try JSONEncoder().encode(AgentRequest(method, parameters))
        let line = try exchange(Array(request), deadline: deadline)
        let reply = try JSONDecoder().decode(AgentReply<Result>.self, from: Data(line))
        if let error = reply.error { throw error }
        guard let result = reply.result else {
            throw AgentError(code: "malformed-reply", message: "\(method.rawValue): neither result nor error")
        }
        return result
    }

    /// Sends one line and receives one line, both without the line feed.
    ///
    /// - Throws: `AgentError`: `timeout`, `disconnected`, or `malformed-reply` for a line beyond 64 MiB.
    package mutating func exchange(_ request: [UInt8], deadline: Deadline) throws -> [UInt8] {
        try UnixSocket.send(request + [0x0A], to: connection.rawValue)
        while true {
            guard try waitUntilReady(connection.rawValue, events: Int16(POLLIN), until: deadline) else {
                throw AgentError(code: "timeout", message: "the agent did not answer in time")
            }
            let bytes = try connection.read()
            guard !bytes.isEmpty else {
                throw AgentError(code: "disconnected", message: "the agent ended before it answered")
            }
            switch lines.take(bytes).first {
            case .line(let line)?: return line
            case .tooLong?: throw AgentError(code: "malformed-reply", message: "a reply line is too long")
            case nil: continue
            }
        }
    }
}

/// The parameters of a method that has none.
package struct NoParameters: Codable, Sendable {}
