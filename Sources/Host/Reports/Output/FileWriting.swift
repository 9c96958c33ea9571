import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The call of `write(2)`. Tests replace it to fill a disk.
struct WriteCall: Sendable {
    /// Returns the number of bytes written and 0, or -1 and `errno`.
    var run: @Sendable (Int32, UnsafeRawBufferPointer) -> (Int, Int32)

    static let kernel = WriteCall { descriptor, bytes in
        let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        return (count, count < 0 ? errno : 0)
    }

    /// Writes everything, or throws the kernel's reason with the name of the file.
    func all(_ bytes: some ContiguousBytes, to descriptor: Int32, file: String) throws(ReportError) {
        let failure: Int32 = bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let (count, code) = run(descriptor, UnsafeRawBufferPointer(rebasing: rest))
                if count < 0 {
                    if code == EINTR { continue }
                    if code == EAGAIN { waitWritable(descriptor) } else { return code }
                } else if count == 0 {
                    return EIO
                } else {
                    rest = rest.dropFirst(count)
                }
            }
            return 0
        }
        if failure != 0 { throw ReportError.system(failure, doing: "write", file: file) }
    }

    /// Waits until a pipe or terminal takes bytes again. Whoever shares it may have set it non-blocking.
    private func waitWritable(_ descriptor: Int32) {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
    }
}

extension ReportError {
    static func system(_ code: Int32, doing action: String, file: String) -> ReportError {
        let reason = String(cString: strerror(code))
        switch code {
        case ENOSPC, EDQUOT, EFBIG:
            return ReportError(
                code: .diskFull, subject: file,
                message: "cannot \(action): \(reason). Free space there, or choose another folder with --report-dir")
        default:
            return ReportError(code: .notWritten, subject: file, message: "cannot \(action): \(reason)")
        }
    }
}

/// A file that is there whole or not at all: a temporary file beside it, flushed to the disk, then renamed.
struct AtomicFile: Sendable {
    let path: String
    var write = WriteCall.kernel

    init(path: String, write: WriteCall = .kernel) {
        self.path = path
        self.write = write
    }

    func replace(with bytes: some ContiguousBytes) throws(ReportError) {
        let temporary = "\(path).\(getpid()).part"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw .system(errno, doing: "create", file: path) }
        do throws(ReportError) {
            defer { close(descriptor) }
            try write.all(bytes, to: descriptor, file: path)
            if fsync(descriptor) != 0, errno != EINVAL { throw .system(errno, doing: "flush", file: path) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw .system(code, doing: "rename its temporary file", file: path)
        }
    }
}

extension String {
    /// This path with one more component.
    func appending(path component: String) -> String { hasSuffix("/") ? self + component : self + "/" + component }
}
