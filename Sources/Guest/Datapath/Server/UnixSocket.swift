import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Unix stream sockets by path.
enum UnixSocket {
    /// Listens on a path, in place of an earlier agent's socket. Only the owner may connect.
    static func listen(on path: String) throws(SystemError) -> FileDescriptor {
        try Directories.make(Directories.parent(of: path))
        let socket = try open()
        // The socket is bound to a path beside it and renamed, so that the path always has a listener.
        let temporary = path + ".new"
        unlink(temporary)
        let (address, length) = try address(temporary)
        try check("bind", path) { withGeneric(address) { bind(socket.rawValue, $0, length) } }
        try check("listen", path) { Glibc.listen(socket.rawValue, 64) }
        try check("chmod", path) { chmod(temporary, 0o600) }
        try check("rename", path) { rename(temporary, path) }
        return socket
    }

    /// - Throws: `ENOENT` or `ECONNREFUSED` if nobody listens.
    static func connect(to path: String) throws(SystemError) -> FileDescriptor {
        let socket = try open()
        let (address, length) = try address(path)
        try check("connect", path) { withGeneric(address) { Glibc.connect(socket.rawValue, $0, length) } }
        return socket
    }

    /// Sends all bytes. A peer that has gone causes an error, and no signal.
    static func send(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
        var offset = 0
        while offset < bytes.count {
            let start = offset
            offset += try check("send") {
                bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress.map { $0 + start }, $0.count - start, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }

    private static func open() throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        return FileDescriptor(owning: try check("socket", "AF_UNIX") { socket(AF_UNIX, type, 0) })
    }

    private static func address(_ path: String) throws(SystemError) -> (sockaddr_un, socklen_t) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // One byte is left for the zero at the path's end (unix(7)).
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError(code: ENAMETOOLONG, call: "bind", subject: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return (address, socklen_t(MemoryLayout<sockaddr_un>.size))
    }

    private static func withGeneric<Result>(
        _ address: sockaddr_un, _ body: (UnsafePointer<sockaddr>) -> Result
    ) -> Result {
        withUnsafePointer(to: address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) } }
    }
}
