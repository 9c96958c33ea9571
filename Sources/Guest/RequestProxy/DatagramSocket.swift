import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// A UDP socket over IPv4 that may use foreign addresses. It is closed with its last reference.
final class DatagramSocket: Sendable {
    struct Address: Sendable, Hashable {
        let address: IPv4Address
        let port: UInt16
    }

    struct Datagram {
        let bytes: [UInt8]
        let source: Address
        /// The address that it was sent to; nil unless `receiveDestinations` was called.
        let destination: Address?
    }

    private static let bufferBytes = 65_535
    /// linux/in.h
    private static let transparent: Int32 = 19
    private static let originalDestination: Int32 = 20

    private let file: FileDescriptor
    var descriptor: Int32 { file.rawValue }

    /// Creates a non-blocking socket.
    ///
    /// - Parameters:
    ///   - isTransparent: The socket may use any address. This needs CAP_NET_ADMIN.
    ///   - sharesAddress: The socket may use an address that is in use. Do not set this if the kernel is to choose the
    ///     port.
    init(isTransparent: Bool, sharesAddress: Bool = false) throws(SystemError) {
        let type = Int32(SOCK_DGRAM.rawValue | UInt32(SOCK_CLOEXEC.rawValue) | UInt32(SOCK_NONBLOCK.rawValue))
        file = FileDescriptor(owning: try check("socket", "udp") { socket(AF_INET, type, 0) })
        if sharesAddress { try set(SOL_SOCKET, SO_REUSEADDR, 1) }
        if isTransparent { try set(Int32(IPPROTO_IP), Self.transparent, 1) }
    }

    private func set(_ level: Int32, _ option: Int32, _ value: UInt32) throws(SystemError) {
        var value = value
        try check("setsockopt", "\(level)/\(option)") {
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<UInt32>.size))
        }
    }

    /// Makes every datagram come with the address that it was sent to.
    func receiveDestinations() throws(SystemError) { try set(Int32(IPPROTO_IP), Self.originalDestination, 1) }

    /// SO_MARK
    func mark(_ mark: UInt32) throws(SystemError) { try set(SOL_SOCKET, SO_MARK, mark) }

    func bind(_ address: IPv4Address, _ port: UInt16) throws(SystemError) {
        try Self.with(address, port) { (pointer, length) throws(SystemError) in
            _ = try check("bind", "udp \(address):\(port)") { Glibc.bind(descriptor, pointer, length) }
        }
    }

    func connect(_ address: IPv4Address, _ port: UInt16) throws(SystemError) {
        try Self.with(address, port) { (pointer, length) throws(SystemError) in
            _ = try check("connect", "udp \(address):\(port)") { Glibc.connect(descriptor, pointer, length) }
        }
    }

    func localAddress() throws(SystemError) -> Address {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try check("getsockname", "udp") {
            withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
        }
        return Address(address)
    }

    /// Sends to the connected address.
    func send(_ bytes: [UInt8]) throws(SystemError) {
        try check("send", "udp") { Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    func send(_ bytes: [UInt8], to address: IPv4Address, _ port: UInt16) throws(SystemError) {
        try Self.with(address, port) { (pointer, length) throws(SystemError) in
            _ = try check("sendto", "udp \(address):\(port)") {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
        }
    }

    /// Returns the next datagram.
    ///
    /// - Throws: `EAGAIN` if there is none, or the error that ICMP reported for a connected socket.
    func receive() throws(SystemError) -> Datagram {
        var source = sockaddr_in()
        var bytes = [UInt8](repeating: 0, count: Self.bufferBytes)
        // There is room for one control message with an address: a header of 16 bytes and a sockaddr_in of 16 bytes.
        var control = [UInt64](repeating: 0, count: 16)
        var controlBytes = 0
        let count = try check("recvmsg", "udp") {
            bytes.withUnsafeMutableBytes { buffer in
                control.withUnsafeMutableBytes { control in
                    withUnsafeMutablePointer(to: &source) { source in
                        var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
                        return withUnsafeMutablePointer(to: &vector) { vector in
                            var header = msghdr()
                            header.msg_name = UnsafeMutableRawPointer(source)
                            header.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
                            header.msg_iov = vector
                            header.msg_iovlen = 1
                            header.msg_control = control.baseAddress
                            header.msg_controllen = control.count
                            let count = recvmsg(descriptor, &header, 0)
                            controlBytes = Int(header.msg_controllen)
                            return count
                        }
                    }
                }
            }
        }
        bytes.removeLast(bytes.count - count)
        return Datagram(
            bytes: bytes, source: Address(source), destination: Self.destination(control, controlBytes))
    }

    /// Reads the address from a control message IP_ORIGDSTADDR (cmsg(3)): length, level, type, then the address.
    private static func destination(_ control: [UInt64], _ count: Int) -> Address? {
        control.withUnsafeBytes { bytes in
            guard count >= 32, bytes.count >= 32, bytes.load(as: Int.self) >= 32,
                bytes.load(fromByteOffset: 8, as: Int32.self) == Int32(IPPROTO_IP),
                bytes.load(fromByteOffset: 12, as: Int32.self) == originalDestination
            else { return nil }
            return Address(bytes.load(fromByteOffset: 16, as: sockaddr_in.self))
        }
    }

    private static func with(
        _ address: IPv4Address, _ port: UInt16,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Void
    ) throws(SystemError) {
        var socketAddress = sockaddr_in()
        socketAddress.sin_family = sa_family_t(AF_INET)
        socketAddress.sin_port = port.bigEndian
        socketAddress.sin_addr.s_addr = address.rawValue.bigEndian
        var failure: SystemError?
        withUnsafePointer(to: &socketAddress) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                do throws(SystemError) {
                    try body(pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }
}

extension DatagramSocket.Address {
    fileprivate init(_ address: sockaddr_in) {
        self.init(
            address: IPv4Address(rawValue: UInt32(bigEndian: address.sin_addr.s_addr)),
            port: UInt16(bigEndian: address.sin_port))
    }
}
