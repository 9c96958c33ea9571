import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Files that a reader sees whole or not at all, even if the writer is killed.
package enum AtomicFile {
    /// Writes a file beside the path, then renames it (rename(2) is atomic). Nothing is synced: `/run` is in memory,
    /// and what the state describes does not outlive the kernel either.
    package static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws(SystemError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    package static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644) throws(SystemError) {
        let temporary = path + ".new"
        do throws(SystemError) {
            let file = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
            try file.writeAll(bytes)
            try check("rename", path) { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Returns nil if there is no such file.
    package static func read(_ path: String) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try FileDescriptor.open(path, O_RDONLY).readToEnd()
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    /// Creates a directory and those above it.
    package static func makeDirectories(_ path: String, mode: mode_t = 0o755) throws(SystemError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            do {
                try check("mkdir", made) { mkdir(made, mode) }
            } catch {
                if error.code != EEXIST { throw error }
            }
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
