import CLibnl
public import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Reports that interfaces of the network namespace came, went or changed (rtnetlink(7), group `RTMGRP_LINK`).
///
/// If this is opened before the interfaces are read, no later change is missed.
public struct LinkEvents: ~Copyable {
    private let socket: FileDescriptor

    /// Listens in the calling thread's network namespace.
    public init() throws(SystemError) {
        let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = FileDescriptor(owning: try check("socket", "AF_NETLINK") { Glibc.socket(AF_NETLINK, type, 0) })
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        // RTMGRP_LINK of linux/rtnetlink.h
        address.nl_groups = 1
        let number = socket.rawValue
        try check("bind", "AF_NETLINK") {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
        }
        self.socket = socket
    }

    /// Waits for the next change and takes all that have arrived.
    ///
    /// - Returns: False if none arrived in time.
    public func wait(until deadline: Deadline) throws(SystemError) -> Bool {
        guard try waitUntilReady(socket.rawValue, events: Int16(POLLIN), until: deadline) else { return false }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        // Messages that did not fit (ENOBUFS) mean a change as well, and all that counts is that there was one.
        while recv(socket.rawValue, &buffer, buffer.count, 0) > 0 {}
        return true
    }
}
