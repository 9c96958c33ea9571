import CNodeShim
import Dispatch
import Glibc
public import LinuxKernel
import NetAddress
import Synchronization

/// Accepts TCP connections to one port of a network namespace, and serves each with a thread of its own.
///
/// A connection that comes while `mostConnections` are served is closed at once. Each connection has 30 seconds, unless its server has given it more.
final class ConnectionServer: Sendable {
    static let mostConnections = 32
    static let patience: Duration = .seconds(30)

    private let listener: Int32
    private let wake: LinuxKernel.Pipe
    private let served = Atomic<Int>(0)
    private let serve: @Sendable (Connection) -> Void
    private let patience: Duration

    /// One accepted connection. Its calls block until its deadline.
    struct Connection {
        let descriptor: Int32
        let peer: String
        let deadline: Deadline

        /// Returns the next bytes. They are empty at the end, and when the deadline has passed.
        func read() -> [UInt8] {
            guard (try? waitUntilReady(descriptor, events: Int16(POLLIN), until: deadline)) == true else { return [] }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            return count > 0 ? Array(buffer[..<count]) : []
        }

        /// Writes everything. Returns false if the connection or the deadline ended before.
        func write(_ bytes: [UInt8]) -> Bool {
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if sent > 0 {
                    rest = rest.dropFirst(sent)
                } else if sent < 0, errno == EAGAIN || errno == EINTR {
                    guard (try? waitUntilReady(descriptor, events: Int16(POLLOUT), until: deadline)) == true else {
                        return false
                    }
                } else {
                    return false
                }
            }
            return true
        }
    }

    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    init(
        _ name: String, port: UInt16, in namespace: borrowing NetworkNamespace,
        patience: Duration = ConnectionServer.patience, serve: @escaping @Sendable (Connection) -> Void
    ) throws {
        wake = try Pipe()
        listener = try namespace.run { try check("listen", "tcp \(port)") { node_tcp_listener(port, 64) } }
        self.serve = serve
        self.patience = patience
        startThread(name) { self.accept(name) }
    }

    func stop() { try? wake.writeEnd.writeAll([0]) }

    private func accept(_ name: String) {
        defer { close(listener) }
        while true {
            var polled = [wake.readEnd.rawValue, listener].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { return }
            if polled[0].revents != 0 { return }
            guard polled[1].revents != 0 else { continue }
            var peer = node_endpoint()
            let descriptor = node_tcp_accept(listener, &peer)
            guard descriptor >= 0 else { continue }
            guard served.load(ordering: .relaxed) < Self.mostConnections else {
                close(descriptor)
                continue
            }
            served.wrappingAdd(1, ordering: .relaxed)
            let address = IPv4Address(rawValue: peer.address).description
            startThread(name) { [self] in
                serve(Connection(descriptor: descriptor, peer: address, deadline: .after(patience)))
                close(descriptor)
                served.wrappingSubtract(1, ordering: .relaxed)
            }
        }
    }
}

/// An HTTP/1.1 server on one port of a network namespace. It answers one request on each connection.
public final class HTTPServer: Sendable {
    private let connections: ConnectionServer

    /// - Parameter answer: Makes the answer to a request. It has 25 of the connection's 30 seconds.
    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    public init(
        _ name: String, port: UInt16, in namespace: borrowing NetworkNamespace,
        answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
    ) throws {
        connections = try ConnectionServer(name, port: port, in: namespace) { connection in
            var bytes: [UInt8] = []
            while true {
                let more = connection.read()
                guard !more.isEmpty else { return }
                bytes += more
                switch HTTPRequest.read(bytes, peer: connection.peer) {
                case .needsMore: continue
                case .refused(let status):
                    _ = connection.write(HTTPResponse(status: status, text: "").message)
                case .request(let request):
                    _ = connection.write(Self.wait(for: request, answer).message)
                }
                return
            }
        }
    }

    public func stop() { connections.stop() }

    /// Waits for the answer on the connection's own thread, which may block.
    private static func wait(
        for request: HTTPRequest, _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
    ) -> HTTPResponse {
        let holder = ResponseSlot()
        let done = DispatchSemaphore(value: 0)
        Task {
            let made = await answer(request)
            holder.response.withLock { $0 = made }
            done.signal()
        }
        guard done.wait(timeout: .now() + 25) == .success else { return HTTPResponse(status: 503, text: "") }
        return holder.response.withLock { $0 } ?? HTTPResponse(status: 503, text: "")
    }
}

private final class ResponseSlot: Sendable {
    let response = Mutex<HTTPResponse?>(nil)
}

/// Sends back over TCP what it gets (RFC 862).
public final class EchoServer: Sendable {
    private let connections: ConnectionServer

    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    public init(_ name: String, port: UInt16, in namespace: borrowing NetworkNamespace) throws {
        connections = try ConnectionServer(name, port: port, in: namespace) { connection in
            while true {
                let bytes = connection.read()
                guard !bytes.isEmpty, connection.write(bytes) else { return }
            }
        }
    }

    public func stop() { connections.stop() }
}
