import Files
import Foundation
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The call of `write(2)`. Tests replace it to fill a disk.
package struct WriteCall: Sendable {
    /// Returns the number of bytes written and 0, or -1 and `errno`.
    var run: @Sendable (Int32, UnsafeRawBufferPointer) -> (Int, Int32)

    package static let kernel = WriteCall { descriptor, bytes in
        let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        return (count, count < 0 ? errno : 0)
    }

    /// Writes everything, or throws the kernel's reason with the name of the file.
    func all(_ bytes: some ContiguousBytes, to descriptor: Int32, file: String) throws(ReportError) {
        do throws(SystemError) {
            try all(bytes, to: descriptor)
        } catch {
            throw .system(error.code, doing: error.call, file: file)
        }
    }

    /// Writes everything, or throws the kernel's reason.
    package func all(_ bytes: some ContiguousBytes, to descriptor: Int32) throws(SystemError) {
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
        if failure != 0 { throw SystemError(code: failure, call: "write", subject: "descriptor \(descriptor)") }
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
        let isFull = [ENOSPC, EDQUOT, EFBIG].contains(code)
        let advice =
            isFull && file != standardOutput ? ". Free space there, or choose another folder with --report-dir" : ""
        return ReportError(
            code: isFull ? .diskFull : .notWritten, subject: file, message: "cannot \(action): \(reason)\(advice)")
    }

    /// What errors call descriptor 1, which no option moves to another place.
    static let standardOutput = "standard output"
}

/// A file of a report, which is there whole or not at all.
public struct ReportFile: Sendable {
    let path: String
    let write: WriteCall

    public init(path: String) { self.init(path: path, write: .kernel) }

    init(path: String, write: WriteCall) {
        self.path = path
        self.write = write
    }

    /// Finds out whether the file can be written, so that a run need not end to learn that it cannot.
    public func check() throws(ReportError) {
        try checkKind()
        do throws(SystemError) { try AtomicFile.checkPlace(path) } catch {
            throw .system(error.code, doing: "create", file: path)
        }
    }

    /// Removes what an earlier run wrote. Anything but a regular file stays, and is an error when the report is written.
    public func removeEarlier() throws(ReportError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, unlink(path) != 0 else { return }
        throw .system(errno, doing: "remove the earlier", file: path)
    }

    /// A rename would put the report in the place of a device or a pipe.
    private func checkKind() throws(ReportError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
        throw ReportError(code: .notWritten, subject: path, message: "is there, and is not a regular file")
    }

    /// Replaces the file, once the new bytes are on the disk.
    func replace(with bytes: some ContiguousBytes) throws(ReportError) {
        try checkKind()
        do throws(SystemError) {
            try AtomicFile.write(to: path, flushed: true) { file throws(SystemError) in
                try write.all(bytes, to: file.rawValue)
            }
        } catch {
            let action =
                switch error.call {
                case "open": "create"
                case "fsync": "flush"
                case "rename": "rename its temporary file"
                default: error.call
                }
            throw .system(error.code, doing: action, file: path)
        }
    }
}

extension String {
    /// This path with one more component.
    func appending(path component: String) -> String { hasSuffix("/") ? self + component : self + "/" + component }
}
