public import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Directories by their paths.
public enum Directories {
    /// Makes a directory and those above it, as `mkdir -p` does. A directory that is there already is left as it is. If
    /// something else has the path, the error is `ENOTDIR`.
    public static func make(_ path: String, mode: UInt32 = 0o755) throws(SystemError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            do throws(SystemError) {
                try check("mkdir", made) { mkdir(made, mode) }
            } catch {
                if error.code != EEXIST { throw error }
            }
        }
        var status = stat()
        if made.isEmpty { made = "/" }
        if stat(made, &status) != 0 { throw .last("stat", made) }
        if status.st_mode & S_IFMT != S_IFDIR { throw SystemError(code: ENOTDIR, call: "mkdir", subject: made) }
    }

    /// The directory that a path is in: `/` for `/a`, `.` for `a`.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func names(in path: String) throws(SystemError) -> [String] {
        guard let stream = opendir(path) else { throw .last("opendir", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
