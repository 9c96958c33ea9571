public import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Files that a reader sees whole or not at all, whatever happens to the writer.
public enum AtomicFile {
    /// Replaces a file with these bytes. See `write(to:mode:flushed:filling:)`.
    public static func write(
        _ bytes: some Sequence<UInt8>, to path: String, mode: UInt32 = 0o644, flushed: Bool = false
    ) throws(SystemError) {
        try write(to: path, mode: mode, flushed: flushed) { file throws(SystemError) in try file.writeAll(bytes) }
    }

    /// Replaces a file with this text in UTF-8. See `write(to:mode:flushed:filling:)`.
    public static func write(
        _ text: String, to path: String, mode: UInt32 = 0o644, flushed: Bool = false
    ) throws(SystemError) {
        try write(text.utf8, to: path, mode: mode, flushed: flushed)
    }

    /// Fills a new file beside the path and gives it the path as its name, which rename(2) does in one step. If
    /// anything fails, the new file is removed and the old one stays as it was.
    ///
    /// - Parameters:
    ///   - mode: The permissions of the new file, from which the process's mask is taken.
    ///   - flushed: Whether the bytes must be on the disk before the name points at them, so that the file is whole
    ///     after a power failure too. It makes no difference to a file in memory, such as one below `/run`.
    ///   - fill: Writes the content.
    public static func write(
        to path: String, mode: UInt32 = 0o644, flushed: Bool = false,
        filling fill: (borrowing FileDescriptor) throws(SystemError) -> Void
    ) throws(SystemError) {
        // The process's number keeps two writers of one path apart.
        let temporary = "\(path).\(getpid()).new"
        let file = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
        do throws(SystemError) {
            try fill(file)
            if flushed { try flush(file, path) }
            try check("rename", path) { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Finds out whether a file could be written here, by making one beside the path that is removed again.
    public static func checkPlace(_ path: String) throws(SystemError) {
        let temporary = "\(path).\(getpid()).new"
        _ = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        unlink(temporary)
    }

    /// Reads a whole file. Nil if there is no such file.
    public static func read(_ path: String) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try FileDescriptor.open(path, O_RDONLY).readToEnd()
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    /// fsync(2) answers `EINVAL` for what cannot be flushed, such as a pipe.
    private static func flush(_ file: borrowing FileDescriptor, _ path: String) throws(SystemError) {
        let number = file.rawValue
        do throws(SystemError) {
            try check("fsync", path) { fsync(number) }
        } catch {
            if error.code != EINVAL { throw error }
        }
    }
}
