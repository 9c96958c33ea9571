#if canImport(Glibc)
    import Glibc
#endif

/// An advisory lock on a file with flock(2), which is held as long as this value lives. The kernel releases it when the
/// process dies.
public struct FileLock: ~Copyable, Sendable {
    /// Whether others may hold the lock, too.
    public enum Mode: Sendable {
        case shared, exclusive
    }

    private let descriptor: FileDescriptor

    /// Opens or creates the file and takes the lock. Blocks while others hold it.
    public init(path: String, mode: Mode = .exclusive) throws(SystemError) {
        let descriptor = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        let number = descriptor.rawValue
        try check("flock", path) { flock(number, mode == .exclusive ? LOCK_EX : LOCK_SH) }
        self.descriptor = descriptor
    }

    /// Takes the lock if nobody else holds it; `nil` otherwise.
    public static func attempt(path: String, mode: Mode = .exclusive) throws(SystemError) -> FileLock? {
        let descriptor = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        if flock(descriptor.rawValue, (mode == .exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return nil }
            throw .last("flock", path)
        }
        return FileLock(owning: descriptor)
    }

    private init(owning descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }
}
