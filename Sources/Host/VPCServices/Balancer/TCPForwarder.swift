import Glibc
public import LinuxKernel
public import NetAddress
import Synchronization

/// Where a load balancer passes a connection on to.
public struct ForwardTarget: Sendable, Hashable {
    public var address: IPv4Address
    public var port: UInt16
    public init(address: IPv4Address, port: UInt16) {
        self.address = address
        self.port = port
    }
}

/// Passes TCP connections to a port of a network namespace on to targets, in turn. The target sees the namespace's
/// address as the source.
///
/// A connection for which there is no target, or none that takes it within two seconds, is closed. At most
/// `ConnectionServer.mostConnections` are passed on at a time.
public final class TCPForwarder: Sendable {
    private let connections: ConnectionServer
    /// No connection lasts longer.
    private static let patience = Duration.seconds(3600)

    /// - Parameters:
    ///   - namespacePath: The namespace, such as `/proc/self/fd/7`, open as long as the forwarder runs.
    ///   - targets: The targets that may be chosen now.
    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    public init(
        _ name: String, port: UInt16, namespacePath: String, targets: @escaping @Sendable () -> [ForwardTarget]
    ) throws {
        let turns = TurnBox()
        connections = try ConnectionServer(
            name, port: port, in: try NetworkNamespace(path: namespacePath), patience: Self.patience
        ) { connection in
            let all = targets()
            let first = turns.next()
            for offset in all.indices {
                let target = all[(first &+ offset) % all.count]
                guard
                    let socket = try? TCPConnect.open(target, namespacePath: namespacePath, until: .after(.seconds(2)))
                else { continue }
                Self.pass(connection, socket.rawValue)
                return
            }
        }
    }

    public func stop() { connections.stop() }

    /// Copies in both directions until both have ended.
    private static func pass(_ connection: ConnectionServer.Connection, _ target: Int32) {
        var open = [(from: connection.descriptor, to: target), (from: target, to: connection.descriptor)]
        while !open.isEmpty, !connection.deadline.hasPassed {
            var polled = open.map { pollfd(fd: $0.from, events: Int16(POLLIN), revents: 0) }
            let count = poll(&polled, nfds_t(polled.count), 1000)
            if count < 0, errno != EINTR { return }
            guard count > 0 else { continue }
            for (index, direction) in open.enumerated().reversed() where polled[index].revents != 0 {
                var buffer = [UInt8](repeating: 0, count: 16_384)
                let count = read(direction.from, &buffer, buffer.count)
                if count < 0, errno == EAGAIN || errno == EINTR { continue }
                let peer = ConnectionServer.Connection(
                    descriptor: direction.to, peer: "", deadline: .after(.seconds(30)))
                if count > 0, peer.write(Array(buffer[..<count])) { continue }
                shutdown(direction.to, Int32(SHUT_WR))
                if count < 0 { return }
                open.remove(at: index)
            }
        }
    }
}

/// Counts turns. Connections are served by several threads.
private final class TurnBox: Sendable {
    private let turn = Atomic<Int>(0)
    init() {}
    func next() -> Int { turn.wrappingAdd(1, ordering: .relaxed).oldValue & Int(Int32.max) }
}

/// Opens TCP connections from a network namespace.
public enum TCPConnect {
    /// - Throws: `SystemError`; `ETIMEDOUT` if nobody answers.
    public static func open(
        _ target: ForwardTarget, namespacePath: String, until deadline: Deadline
    ) throws -> FileDescriptor {
        let subject = "\(target.address):\(target.port)"
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(
            owning: try NetworkNamespace(path: namespacePath).run {
                try check("socket", subject) { Glibc.socket(AF_INET, flags, 0) }
            })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = target.port.bigEndian
        address.sin_addr.s_addr = target.address.networkByteOrder
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0, errno != EINPROGRESS { throw SystemError.last("connect", subject) }
        guard try waitUntilReady(socket.rawValue, events: Int16(POLLOUT), until: deadline) else {
            throw SystemError(code: ETIMEDOUT, call: "connect", subject: subject)
        }
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(socket.rawValue, SOL_SOCKET, SO_ERROR, &code, &size)
        guard code == 0 else { throw SystemError(code: code, call: "connect", subject: subject) }
        return socket
    }

    /// Whether an HTTP server says that it is well: status 200 to `GET /healthz`.
    public static func isHealthy(
        _ target: ForwardTarget, namespacePath: String, until deadline: Deadline
    ) -> Bool {
        guard let socket = try? open(target, namespacePath: namespacePath, until: deadline) else { return false }
        let connection = ConnectionServer.Connection(descriptor: socket.rawValue, peer: "", deadline: deadline)
        let request = "GET /healthz HTTP/1.1\r\nHost: \(target.address)\r\nConnection: close\r\n\r\n"
        guard connection.write(Array(request.utf8)) else { return false }
        let answer = String(decoding: connection.read(), as: UTF8.self)
        return answer.split(separator: " ").dropFirst().first == "200"
    }
}
