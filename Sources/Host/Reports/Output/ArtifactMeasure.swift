import Digest
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

extension RunReport {
    /// Fills in size and SHA-256 of every artifact below `folder`. An artifact that is missing, or whose path leads out
    /// of the folder, keeps its entry and gets the reason.
    public mutating func measureArtifacts(in folder: String) {
        for index in artifacts.indices {
            let path = artifacts[index].path
            do throws(ReportError) {
                let (bytes, digest) = try measure(path, in: folder)
                artifacts[index].bytes = bytes
                artifacts[index].sha256 = digest
                artifacts[index].error = nil
            } catch {
                artifacts[index].error = error.message
            }
        }
    }

    private func measure(_ path: String, in folder: String) throws(ReportError) -> (Int, String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }), !path.contains("\0") else {
            throw ReportError(code: .unreadable, subject: path, message: "the path leads out of the report folder")
        }
        let descriptor = open(folder.appending(path: path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(errno, doing: "open", file: path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ReportError(code: .unreadable, subject: path, message: "is not a regular file")
        }
        var digest = SHA256Digest()
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system(errno, doing: "read", file: path)
            }
            if count == 0 { return (total, digest.hex()) }
            total += count
            buffer.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
