#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CNodeShim
import Glibc
import LinuxKernel

/// The unix socket on which the node's runtime takes calls (`RuntimeCall`), each connection on a thread of its own.
enum RuntimeSocket {
    /// Listens at a path, and hands every call over with its connection and the process that made it. The connection is
    /// closed when the body returns.
    /// - Throws: `SystemError`.
    static func serve(
        _ path: String, _ body: @escaping @Sendable (RuntimeCall, borrowing FileDescriptor, _ process: Int32) -> Void
    ) throws {
        let socket = try make(path)
        unlink(path)
        let number = socket.rawValue
        try withAddress(path) { address, length in try check("bind", path) { bind(number, address, length) } }
        try check("chmod", path) { chmod(path, 0o666) }
        try check("listen", path) { listen(number, 64) }
        let owned = socket.release()
        startThread("calls") {
            while true {
                let connection = node_accept(owned)
                guard connection >= 0 else {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    Console.say("\(SystemError.last("accept", path))")
                    return
                }
                startThread("call") {
                    let connection = FileDescriptor(owning: connection)
                    guard let process = peer(connection.rawValue), let line = try? line(from: connection),
                        let call = try? JSONDecoder().decode(RuntimeCall.self, from: Data(line))
                    else { return }
                    body(call, connection, process)
                }
            }
        }
    }

    static func connect(_ path: String) throws -> FileDescriptor {
        let socket = try make(path)
        let number = socket.rawValue
        try withAddress(path) { address, length in
            try check("connect", path) { Glibc.connect(number, address, length) }
        }
        return socket
    }

    /// Reads up to the end of a line, which is left out.
    static func line(from socket: borrowing FileDescriptor) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count <= CallProgram.limit {
            let chunk = try socket.read()
            if let end = chunk.firstIndex(of: 10) { return bytes + chunk[..<end] }
            if chunk.isEmpty { throw SystemError(code: ECONNRESET, call: "read", subject: "a line's end") }
            bytes += chunk
        }
        throw SystemError(code: EMSGSIZE, call: "read", subject: "a line")
    }

    private static func make(_ path: String) throws -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return FileDescriptor(owning: try check("socket", path) { socket(AF_UNIX, type, 0) })
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Void
    ) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError(code: ENAMETOOLONG, call: "socket", subject: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// The process at the other end.
    private static func peer(_ number: Int32) -> Int32? {
        var credentials = (pid: Int32(0), uid: UInt32(0), gid: UInt32(0))
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(number, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else { return nil }
        return credentials.pid
    }
}
