public import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Reads files whose paths a user gave. Such a path may lead to a pipe, a device or nowhere.
public enum RegularFile {
    /// Why a file was not read, in words that follow its path in a message.
    public enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case isNotRegular
        /// The path is a symbolic link, and what it names does not exist.
        case isDanglingLink
        case system(SystemError)

        public var description: String {
            switch self {
            case .isNotRegular: "is not a regular file"
            case .isDanglingLink: "is a link to a file that does not exist"
            case .system(let error): "cannot be read: \(error.reason)"
            }
        }

        /// Whether nothing has the path, not even a link.
        public var isMissing: Bool {
            if case .system(let error) = self { error.code == ENOENT } else { false }
        }
    }

    /// Whether something has the path, be it a link that leads nowhere.
    public static func isNamed(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Reads a file, or as many of its first bytes as the limit allows. It never waits for a pipe's other end, because
    /// nothing but a regular file is opened.
    public static func read(_ path: String, upTo limit: Int = .max) throws(Failure) -> [UInt8] {
        var status = stat()
        if stat(path, &status) != 0 {
            let failure = SystemError.last("stat", path)
            throw failure.code == ENOENT && isNamed(path) ? .isDanglingLink : .system(failure)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .isNotRegular }
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
            var bytes: [UInt8] = []
            while bytes.count < limit {
                let chunk = try file.read(upTo: min(1 << 16, limit - bytes.count))
                if chunk.isEmpty { break }
                bytes += chunk
            }
            return bytes
        } catch {
            throw .system(error)
        }
    }
}
