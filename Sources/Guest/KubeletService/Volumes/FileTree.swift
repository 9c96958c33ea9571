import Files

#if canImport(Glibc)
    import Glibc
#endif

/// Directories with what is in them.
public enum FileTree {
    private static let depthLimit = 64

    /// Removes a directory and everything below it, and follows no link. What cannot be removed stays. That there is
    /// nothing is no failure.
    public static func remove(_ path: String) { remove(path, depthLimit) }

    private static func remove(_ path: String, _ depth: Int) {
        var status = stat()
        guard depth > 0, lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in (try? Directories.names(in: path)) ?? [] { remove("\(path)/\(name)", depth - 1) }
        rmdir(path)
    }
}
