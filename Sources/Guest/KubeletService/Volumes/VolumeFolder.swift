import Files
import Kubelet
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The volumes of one pod, below one directory.
public struct VolumeFolder: Sendable {
    /// How much a volume in RAM may take without a limit of its own.
    private static let memorySize: Int64 = 64 << 20

    public let path: String

    public init(_ path: String) { self.path = path }

    /// Makes a volume, or brings the files of one that is there to a new content, all at once for who reads them.
    /// - Throws: `PodRuntimeError` for a host path that is not of the kind it says; `SystemError`.
    public func make(_ volume: VolumePlan) throws {
        try check(volume.name)
        let place = "\(path)/\(volume.name)"
        switch volume.source {
        case .emptyDirectory(let isMemory, let sizeLimit):
            guard access(place, F_OK) != 0 else { return }
            try Directories.make(place)
            if isMemory {
                let size = max(4096, min(sizeLimit ?? Self.memorySize, Self.memorySize))
                try mountFilesystem("tmpfs", on: place, type: "tmpfs", options: "mode=1777,size=\(size)")
            }
            try own(place, mode: 0o777, volume.group)
        case .files(let files):
            try Directories.make(place)
            try own(place, mode: 0o755, volume.group)
            try write(files, to: place, volume.group)
        case .hostPath(let target, let type):
            try checkHostPath(target, type)
            try? Directories.make(path)
            unlink(place)
            try LinuxKernel.check("symlink", place) { symlink(target, place) }
        }
    }

    /// The path of a volume, or of a part of it, which is made if it is not there, on the node.
    public func source(of volume: String, subPath: String) throws -> String {
        try check(volume)
        let place = "\(path)/\(volume)"
        guard access(place, F_OK) == 0 else {
            throw PodRuntimeError("volume \"\(volume)\" is not mounted")
        }
        guard !subPath.isEmpty else { return place }
        let parts = subPath.split(separator: "/")
        guard !parts.contains(".."), !subPath.hasPrefix("/") else {
            throw PodRuntimeError("failed to prepare subPath for volumeMount \"\(volume)\" of container")
        }
        let inner = place + "/" + parts.joined(separator: "/")
        if access(inner, F_OK) != 0 { try Directories.make(inner) }
        return inner
    }

    /// Removes all volumes; what a host path leads to stays.
    public func remove() {
        for name in (try? Directories.names(in: path)) ?? [] {
            // A link is a host path, and unmounting through it would take a mount of the node's own.
            var status = stat()
            guard lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            try? unmountFilesystem("\(path)/\(name)", lazily: true)
        }
        FileTree.remove(path)
    }

    private func check(_ name: String) throws {
        guard !name.isEmpty, !name.contains("/"), name != ".", name != ".." else {
            throw PodRuntimeError("not the name of a volume: \"\(name)\"")
        }
    }

    private func own(_ path: String, mode: UInt32, _ group: Int64?) throws {
        var mode = mode
        if let group, let number = gid_t(exactly: group) {
            try LinuxKernel.check("chown", path) { chown(path, uid_t.max, number) }
            mode |= 0o2070
        }
        try LinuxKernel.check("chmod", path) { chmod(path, mode) }
    }

    // MARK: Files

    /// Writes files as a kubelet does: into a directory of their own, to which `..data` leads; the names of the volume
    /// are links through it. To set the link anew changes all files at once.
    private func write(_ files: [VolumeFile], to place: String, _ group: Int64?) throws {
        let link = place + "/..data"
        let before = Self.link(link)
        let directory = ".." + String(UInt64.random(in: 0...UInt64.max), radix: 36)
        try Directories.make("\(place)/\(directory)")
        for file in files {
            let parts = file.path.split(separator: "/")
            guard !parts.isEmpty, !parts.contains(".."), !parts.contains(".") else {
                throw PodRuntimeError("not the path of a file in a volume: \"\(file.path)\"")
            }
            let path = "\(place)/\(directory)/" + parts.joined(separator: "/")
            try Directories.make(Directories.parent(of: path))
            try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600).writeAll(file.content)
            var mode = UInt32(file.mode) & 0o777
            if let group, let number = gid_t(exactly: group) {
                try LinuxKernel.check("chown", path) { chown(path, uid_t.max, number) }
                mode |= 0o040
            }
            try LinuxKernel.check("chmod", path) { chmod(path, mode) }
        }
        let temporary = place + "/..data_tmp"
        unlink(temporary)
        try LinuxKernel.check("symlink", temporary) { symlink(directory, temporary) }
        try LinuxKernel.check("rename", link) { rename(temporary, link) }
        let wanted = Set(files.compactMap { $0.path.split(separator: "/").first.map(String.init) })
        for name in wanted where access("\(place)/\(name)", F_OK) != 0 {
            unlink("\(place)/\(name)")
            try LinuxKernel.check("symlink", name) { symlink("..data/\(name)", "\(place)/\(name)") }
        }
        for name in try Directories.names(in: place) where !name.hasPrefix("..") && !wanted.contains(name) {
            unlink("\(place)/\(name)")
        }
        if let before, before.hasPrefix(".."), !before.contains("/") { FileTree.remove("\(place)/\(before)") }
    }

    private static func link(_ path: String) -> String? {
        var length = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, filled in
            length = buffer.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink(path, $0, text.count) } ?? -1
            }
            filled = max(0, length)
        }
        return length < 0 ? nil : String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Host paths

    private func checkHostPath(_ target: String, _ type: String) throws {
        guard target.hasPrefix("/"), !target.split(separator: "/").contains("..") else {
            throw PodRuntimeError("hostPath type check failed: \(target) is not an absolute path")
        }
        var status = stat()
        let exists = stat(target, &status) == 0
        let kind = status.st_mode & S_IFMT
        func require(_ matches: Bool, _ what: String) throws {
            if !(exists && matches) { throw PodRuntimeError("hostPath type check failed: \(target) is not a \(what)") }
        }
        switch type {
        case "DirectoryOrCreate":
            if !exists { try Directories.make(target) } else { try require(kind == S_IFDIR, "directory") }
        case "FileOrCreate":
            if exists {
                try require(kind == S_IFREG, "file")
            } else {
                _ = try FileDescriptor.open(target, O_WRONLY | O_CREAT, mode: 0o644)
            }
        case "Directory": try require(kind == S_IFDIR, "directory")
        case "File": try require(kind == S_IFREG, "file")
        case "Socket": try require(kind == S_IFSOCK, "socket file")
        case "CharDevice": try require(kind == S_IFCHR, "character device")
        case "BlockDevice": try require(kind == S_IFBLK, "block device")
        // Without a type nothing is checked, and the container runtime makes a directory of what is missing.
        default: if !exists { try Directories.make(target) }
        }
    }
}
