import Glibc
import LinuxKernel

/// A TCP connection to 127.0.0.1 of the calling thread's network namespace.
enum LoopbackConnection {
    private static let patienceSeconds = 5

    /// - Returns: the connected socket, which blocks and which the caller closes.
    static func open(port: UInt16) throws -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try check("socket", "tcp") { Glibc.socket(AF_INET, type, 0) })
        let number = socket.rawValue
        // It bounds connect(2), too.
        var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &patience, length)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try check("connect", "127.0.0.1:\(port)") {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var forever = timeval(tv_sec: 0, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &forever, length)
        return socket.release()
    }
}
