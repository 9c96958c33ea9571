import Datapath
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// A TCP or UDP socket of the namespace that it was made in. Every call ends within `patience`.
package struct TestSocket: ~Copyable, Sendable {
    private static let patience = 3
    private let file: FileDescriptor

    private init(_ file: consuming FileDescriptor) { self.file = file }

    /// - Parameter stream: Whether it is a TCP socket. Otherwise it is a UDP socket.
    package init(stream: Bool) throws(SystemError) {
        let kind = Int32((stream ? SOCK_STREAM : SOCK_DGRAM).rawValue | SOCK_CLOEXEC.rawValue)
        let file = FileDescriptor(owning: try check("socket") { Glibc.socket(AF_INET, kind, 0) })
        let number = file.rawValue
        var limit = timeval(tv_sec: Self.patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            try check("setsockopt") {
                setsockopt(number, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
        }
        self.file = file
    }

    static func listening(_ address: IPv4Address, _ port: UInt16) throws(SystemError) -> TestSocket {
        let socket = try bound(address, port, stream: true)
        let number = socket.file.rawValue
        try check("listen") { listen(number, 16) }
        return socket
    }

    package static func bound(_ address: IPv4Address, _ port: UInt16, stream: Bool) throws(SystemError) -> TestSocket {
        let socket = try TestSocket(stream: stream)
        let number = socket.file.rawValue
        // An earlier connection of the port may be in TIME-WAIT.
        var reuses: Int32 = 1
        try check("setsockopt") {
            setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &reuses, socklen_t(MemoryLayout<Int32>.size))
        }
        try withAddress(address, port) { pointer, length in bind(number, pointer, length) }.require("bind")
        return socket
    }

    package func connect(to address: IPv4Address, _ port: UInt16) throws(SystemError) {
        let number = file.rawValue
        try Self.withAddress(address, port) { pointer, length in Glibc.connect(number, pointer, length) }
            .require("connect")
    }

    func accept() throws(SystemError) -> TestSocket {
        let number = file.rawValue
        let accepted = TestSocket(FileDescriptor(owning: try check("accept") { Glibc.accept(number, nil, nil) }))
        let new = accepted.file.rawValue
        var limit = timeval(tv_sec: Self.patience, tv_usec: 0)
        try check("setsockopt") {
            setsockopt(new, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return accepted
    }

    package func send(_ text: String) throws(SystemError) {
        let number = file.rawValue
        let bytes = Array(text.utf8)
        try check("send") { Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    func send(_ text: String, to address: IPv4Address, _ port: UInt16) throws(SystemError) {
        let number = file.rawValue
        let bytes = Array(text.utf8)
        try Self.withAddress(address, port) { pointer, length in
            Int32(clamping: sendto(number, bytes, bytes.count, 0, pointer, length))
        }.require("sendto")
    }

    /// Receives a datagram and returns its source.
    func receiveFrom() throws(SystemError) -> (address: IPv4Address, port: UInt16) {
        let number = file.rawValue
        var buffer = [UInt8](repeating: 0, count: 256)
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try check("recvfrom") {
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(number, &buffer, buffer.count, 0, $0, &length)
                }
            }
        }
        return (IPv4Address(networkByteOrder: peer.sin_addr.s_addr), UInt16(bigEndian: peer.sin_port))
    }

    package func receive() throws(SystemError) -> String {
        let number = file.rawValue
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = try check("recv") { recv(number, &buffer, buffer.count, 0) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// Sends back what came, and returns its source.
    package func echo() throws(SystemError) -> (address: IPv4Address, port: UInt16) {
        let number = file.rawValue
        var buffer = [UInt8](repeating: 0, count: 256)
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = try check("recvfrom") {
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(number, &buffer, buffer.count, 0, $0, &length)
                }
            }
        }
        try check("sendto") {
            withUnsafePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(number, buffer, count, 0, $0, length) }
            }
        }
        return (IPv4Address(networkByteOrder: peer.sin_addr.s_addr), UInt16(bigEndian: peer.sin_port))
    }

    func peer() throws(SystemError) -> (address: IPv4Address, port: UInt16) {
        let number = file.rawValue
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try check("getpeername") {
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(number, $0, &length) }
            }
        }
        return (IPv4Address(networkByteOrder: peer.sin_addr.s_addr), UInt16(bigEndian: peer.sin_port))
    }

    private struct Outcome {
        let code: Int32
        func require(_ call: String) throws(SystemError) {
            guard code == 0 else { throw SystemError(code: code, call: call) }
        }
    }

    private static func withAddress(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Outcome {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.networkByteOrder
        let result = withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return Outcome(code: result < 0 ? errno : 0)
    }
}
