import Files
import Glibc
import LinuxKernel

/// A directory or file of the node that a container sees.
struct ContainerMount: Codable, Sendable, Hashable {
    /// A path on the node.
    let source: String
    /// An absolute path in the container.
    let target: String
    let readOnly: Bool
}

/// Mounts volumes below a container's root. What is on the way may be a link, which leads elsewhere in the root and
/// never out of it.
struct ContainerMounts {
    let root: String

    private static let linkLimit = 40

    /// Binds each mount's source to its target, which is made if it is missing; outer directories first.
    func mount(_ mounts: [ContainerMount]) throws {
        for mount in mounts.sorted(by: { $0.target.utf8.count < $1.target.utf8.count }) {
            var status = stat()
            guard stat(mount.source, &status) == 0 else { throw SystemError.last("stat", mount.source) }
            let target = try place(mount.target, isDirectory: status.st_mode & S_IFMT == S_IFDIR)
            try mountFilesystem(mount.source, on: target, flags: UInt(MS_BIND | MS_REC))
            if mount.readOnly {
                try mountFilesystem("", on: target, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY))
            }
        }
    }

    /// The path of `target` as seen from outside of the root, with its links followed inside of it; makes what is
    /// missing.
    func place(_ target: String, isDirectory: Bool) throws -> String {
        var left = Self.parts(target)
        var done: [Substring] = []
        var links = 0
        while !left.isEmpty {
            let part = left.removeFirst()
            if part == ".." {
                _ = done.popLast()
                continue
            }
            let path = ([Substring(root)] + done + [part]).joined(separator: "/")
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
                links += 1
                guard links <= Self.linkLimit else { throw SystemError(code: ELOOP, call: "mount", subject: target) }
                let text = try Self.link(path)
                if text.hasPrefix("/") { done = [] }
                left = Self.parts(text) + left
                continue
            }
            done.append(part)
            if left.isEmpty, !isDirectory {
                _ = try FileDescriptor.open(path, O_WRONLY | O_CREAT, mode: 0o644)
            } else {
                try Directories.make(path)
            }
        }
        return ([Substring(root)] + done).joined(separator: "/")
    }

    private static func parts(_ path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }

    private static func link(_ path: String) throws -> String {
        var length = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, filled in
            length = buffer.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink(path, $0, text.count) } ?? -1
            }
            filled = max(0, length)
        }
        guard length >= 0 else { throw SystemError.last("readlink", path) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
