import Glibc

/// Wakes the link's thread from any other.
final class LinkWake: Sendable {
    /// A descriptor that is readable after `signal()`. It is a pipe, because Swift's Glibc module has no eventfd.
    let descriptor: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        Glibc.close(descriptor)
        Glibc.close(writeEnd)
    }

    func signal() {
        var byte: UInt8 = 1
        _ = Glibc.write(writeEnd, &byte, 1)
    }

    func drain() {
        var bytes = [UInt8](repeating: 0, count: 256)
        _ = Glibc.read(descriptor, &bytes, bytes.count)
    }

    func wait(milliseconds: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&entry, 1, milliseconds) > 0 { drain() }
    }
}

/// A connected, non-blocking unix stream socket; closed with its owner.
struct LinkSocket: ~Copyable {
    private let descriptor: Int32

    enum Reading {
        case bytes([UInt8])
        case nothing
        case ended(String)
    }
    enum Writing {
        case wrote(Int)
        case full
        case failed(String)
    }

    /// Connects; nil, with `errno` set, when nobody listens there (yet).
    init?(connecting path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return nil
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Glibc.socket(AF_UNIX, type, 0)
        guard socket >= 0 else { return nil }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, length) }
        }
        guard result == 0 else {
            let reason = errno
            Glibc.close(socket)
            errno = reason
            return nil
        }
        descriptor = socket
    }

    deinit { Glibc.close(descriptor) }

    func poll(write: Bool, wake: LinkWake, milliseconds: Int32) -> (readable: Bool, writable: Bool) {
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN) | (write ? Int16(POLLOUT) : 0), revents: 0),
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard Glibc.poll(&entries, 2, milliseconds) > 0 else { return (false, false) }
        if entries[1].revents != 0 { wake.drain() }
        let seen = entries[0].revents
        return (seen & ~Int16(POLLOUT) != 0, seen & Int16(POLLOUT) != 0)
    }

    func read() -> Reading {
        var failure: Int32 = 0
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, filled in
            count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            failure = errno
            filled = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        if count == 0 { return .ended("the virtual machine closed the channel") }
        return failure == EAGAIN || failure == EINTR ? .nothing : .ended(String(cString: strerror(failure)))
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Writing {
        let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count >= 0 { return .wrote(count) }
        return errno == EAGAIN || errno == EINTR ? .full : .failed(String(cString: strerror(errno)))
    }
}
