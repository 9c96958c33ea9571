import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// An open file descriptor with a single owner. It is closed at the end of the value's life.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The number, valid as long as this value lives.
    public let rawValue: Int32

    /// Takes over a descriptor that nothing else closes.
    public init(owning rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit {
        _ = close(rawValue)
    }

    /// Gives the number away. From now on the caller must close it.
    public consuming func release() -> Int32 {
        let number = rawValue
        discard self
        return number
    }

    /// open(2), always with `O_CLOEXEC`.
    public static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0o600) throws(SystemError) -> FileDescriptor
    {
        FileDescriptor(owning: try check("open", path) { linux_open(path, flags, mode) })
    }

    /// Returns a second number for the same open file, with `O_CLOEXEC`.
    public borrowing func duplicate() throws(SystemError) -> FileDescriptor {
        let number = rawValue
        return FileDescriptor(owning: try check("fcntl", "F_DUPFD_CLOEXEC") { linux_duplicate_above(number, 3) })
    }

    /// Sets or clears `O_NONBLOCK`.
    public borrowing func setNonBlocking(_ enabled: Bool = true) throws(SystemError) {
        let number = rawValue
        try check("fcntl", "O_NONBLOCK") { linux_set_nonblocking(number, enabled ? 1 : 0) }
    }

    /// Calls read(2) once for at most `limit` bytes. The result is empty at the end of the file. Throws `EAGAIN` if the
    /// descriptor is non-blocking and has no data.
    public borrowing func read(upTo limit: Int = 65_536) throws(SystemError) -> [UInt8] {
        try readBytes(from: rawValue, upTo: limit)
    }

    /// Reads everything up to the end of the file.
    public borrowing func readToEnd() throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let chunk = try readBytes(from: rawValue, upTo: 65_536)
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
    }

    /// Calls write(2) until every byte is written. This is for blocking descriptors only.
    public borrowing func writeAll(_ bytes: some Sequence<UInt8>) throws(SystemError) {
        try writeBytes(Array(bytes), to: rawValue)
    }
}

/// The two ends of a pipe, both with `O_CLOEXEC`.
public struct Pipe: ~Copyable, Sendable {
    /// The end from which bytes are read.
    public var readEnd: FileDescriptor
    /// The end to which bytes are written.
    public var writeEnd: FileDescriptor

    /// pipe2(2).
    public init() throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try check("pipe2") {
            withUnsafeMutableBytes(of: &ends) { linux_pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        }
        readEnd = FileDescriptor(owning: ends.0)
        writeEnd = FileDescriptor(owning: ends.1)
    }
}

/// One read(2) from a borrowed descriptor number.
func readBytes(from number: Int32, upTo limit: Int) throws(SystemError) -> [UInt8] {
    var failure: SystemError?
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
        while true {
            let got = read(number, buffer.baseAddress, limit)
            if got >= 0 {
                count = got
                return
            }
            if errno == EINTR { continue }
            failure = .last("read", "descriptor \(number)")
            count = 0
            return
        }
    }
    if let failure { throw failure }
    return bytes
}

/// write(2) to a borrowed descriptor number until every byte is written.
func writeBytes(_ bytes: [UInt8], to number: Int32) throws(SystemError) {
    var offset = 0
    while offset < bytes.count {
        let start = offset
        offset += try check("write", "descriptor \(number)") {
            bytes.withUnsafeBytes { buffer in
                write(number, buffer.baseAddress.map { $0 + start }, buffer.count - start)
            }
        }
    }
}
