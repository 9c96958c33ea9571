import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Serves the agent's unix socket. Each line is a request and gets one line as its answer. Each connection has a
/// thread.
final class AgentServer: Sendable {
    /// The longest request line, in bytes.
    static let lineLimit = 4 << 20
    static let connectionLimit = 64

    private let answer: @Sendable ([UInt8]) -> [UInt8]
    private let connections = Mutex(0)

    /// - Parameter answer: Turns a request line into its reply line, both without the line feed. It is called on many
    ///   threads.
    init(answer: @escaping @Sendable ([UInt8]) -> [UInt8]) { self.answer = answer }

    /// Starts to accept connections on a path and returns.
    func start(path: String) throws(SystemError) {
        let listener = try UnixSocket.listen(on: path).release()
        startThread("accept") { self.accept(on: listener) }
    }

    private func accept(on listener: Int32) {
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            if connection < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                Log.error("cannot accept connections any more", ["error": "\(SystemError.last("accept"))"])
                return
            }
            let admitted = connections.withLock { count in
                guard count < Self.connectionLimit else { return false }
                count += 1
                return true
            }
            if admitted {
                startThread("connection") { self.serve(FileDescriptor(owning: connection)) }
            } else {
                close(connection)
            }
        }
    }

    private func serve(_ connection: consuming FileDescriptor) {
        defer { connections.withLock { $0 -= 1 } }
        var lines = LineBuffer(limit: Self.lineLimit)
        do {
            while true {
                let bytes = try connection.read()
                if bytes.isEmpty { return }
                for item in lines.take(bytes) {
                    let reply =
                        switch item {
                        case .line(let line): answer(line)
                        case .tooLong:
                            Array(#"{"error":{"code":"line-too-long","message":"a request has at most 4 MiB"}}"#.utf8)
                        }
                    try UnixSocket.send(reply + [0x0A], to: connection.rawValue)
                }
            }
        } catch {
            // The peer has gone, so nobody is left to report this to.
            return
        }
    }
}
