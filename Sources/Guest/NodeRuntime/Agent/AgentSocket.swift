import Glibc
import LinuxKernel
import NodeProtocol

/// Sends one request line to the agent's unix socket and takes one reply line back.
enum AgentSocket {
    /// Most bytes of a reply; a frame of the channel holds twice as many.
    static let replyLimit = 8 << 20

    /// Waits for the socket to accept, within the deadline: an agent that is starting has none yet.
    ///
    /// - Returns: the reply without its line feed, unread.
    /// - Throws: `NodeFailure` `agent-unreachable` or `timeout`, with what was last seen.
    static func call(_ line: String, path: String, within patience: Duration) throws -> [UInt8] {
        let deadline = Deadline.after(patience)
        let socket = try connect(path, until: deadline)
        let bytes = Array(line.utf8) + (line.hasSuffix("\n") ? [] : [10])
        var sent = 0
        let number = socket.rawValue
        while sent < bytes.count {
            guard try waitUntilReady(socket.rawValue, events: Int16(POLLOUT), until: deadline) else {
                throw timeout(path, patience, "\(sent) of \(bytes.count) bytes sent")
            }
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    number, buffer.baseAddress.map { $0 + sent }, buffer.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno != EAGAIN, errno != EINTR { throw SystemError.last("send", path) }
            sent += max(0, count)
        }
        var reply: [UInt8] = []
        while reply.count < replyLimit {
            guard try waitUntilReady(socket.rawValue, events: Int16(POLLIN), until: deadline) else {
                throw timeout(path, patience, "connected, \(reply.count) bytes of an unfinished reply")
            }
            let chunk = try socket.read()
            if let end = chunk.firstIndex(of: 10) {
                return reply + chunk[..<end]
            }
            if chunk.isEmpty {
                throw NodeFailure(
                    code: "agent-unreachable",
                    message:
                        "\(path): the agent closed the connection after \(reply.count) bytes of an unfinished reply")
            }
            reply += chunk
        }
        throw NodeFailure(code: "agent-unreachable", message: "\(path): reply longer than \(replyLimit) bytes")
    }

    private static func timeout(_ path: String, _ patience: Duration, _ state: String) -> NodeFailure {
        NodeFailure(code: "timeout", message: "\(path): no reply within \(patience); \(state)")
    }

    private static func connect(_ path: String, until deadline: Deadline) throws -> FileDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError(code: ENAMETOOLONG, call: "connect", subject: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        while true {
            let socket = FileDescriptor(owning: try check("socket", path) { Glibc.socket(AF_UNIX, type, 0) })
            let number = socket.rawValue
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return socket }
            let failure = SystemError.last("connect", path)
            guard !deadline.hasPassed else {
                throw NodeFailure(code: "agent-unreachable", message: "\(failure)")
            }
            poll(nil, 0, min(5, deadline.remainingMilliseconds))
        }
    }
}
