import CLibbpf
import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A directory on a BPF file system in which the programs of one object stay pinned, so that a process that starts
/// again need not have them verified again. Its folder `maps` pins the maps that the programs were loaded with.
public struct ProgramPins: Sendable {
    /// For example `/sys/fs/bpf/labrun/programs/lxc-0123456789abcdef`. The name tells builds apart.
    public let directory: String
    /// The directory in which the object's maps are pinned for all programs.
    public let mapDirectory: String

    public init(directory: String, mapDirectory: String) {
        self.directory = directory
        self.mapDirectory = mapDirectory
    }

    /// Says whether all these programs are pinned, and use the maps that are pinned at present.
    public func areIntact(_ programs: [String]) -> Bool {
        guard let maps = try? Self.names(in: directory + "/maps"), !maps.isEmpty,
            programs.allSatisfy({ access("\(directory)/\($0)", F_OK) == 0 })
        else { return false }
        return maps.allSatisfy { name in
            guard let own = Self.mapIdentifier("\(directory)/maps/\(name)") else { return false }
            return own == Self.mapIdentifier("\(mapDirectory)/\(name)")
        }
    }

    public func program(_ name: String) throws(SystemError) -> Program {
        try Program(name: name, pinnedAt: "\(directory)/\(name)")
    }

    /// Removes the pins. Programs that are attached stay attached.
    public func remove() throws(SystemError) {
        for folder in [directory + "/maps", directory] {
            for name in try Self.names(in: folder) where unlink("\(folder)/\(name)") != 0 && errno != EISDIR {
                throw .last("unlink", "\(folder)/\(name)")
            }
            if rmdir(folder) != 0, errno != ENOENT { throw .last("rmdir", folder) }
        }
    }

    /// Returns the names in a directory, or none if there is no such directory.
    public static func names(in folder: String) throws(SystemError) -> [String] {
        do throws(SystemError) {
            return try Directories.names(in: folder)
        } catch {
            if error.code == ENOENT { return [] }
            throw error
        }
    }

    /// Returns the kernel's number of a pinned map, or nil if there is none.
    private static func mapIdentifier(_ path: String) -> UInt32? {
        let opened = bpf_obj_get(path)
        guard opened >= 0 else { return nil }
        defer { close(opened) }
        var info = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        return bpf_obj_get_info_by_fd(opened, &info, &length) == 0 ? info.id : nil
    }
}

extension Object {
    /// Pins the programs, and a second time the maps that are pinned in `mapDirectory`. Call it after `load`. The
    /// directory must not exist yet, but its parent must.
    public func pin(_ pins: ProgramPins) throws(SystemError) {
        for folder in [pins.directory, pins.directory + "/maps"] {
            try check("mkdir", folder) { mkdir(folder, 0o700) }
        }
        // The programs are pinned last, because their presence says that the directory is complete.
        let shared = Set(try ProgramPins.names(in: pins.mapDirectory))
        for name in mapNames where shared.contains(name) {
            try pin(try mapDescriptor(name), at: "\(pins.directory)/maps/\(name)")
        }
        for name in programNames { try pin(try programDescriptor(name), at: "\(pins.directory)/\(name)") }
    }

    private func pin(_ descriptor: Int32, at path: String) throws(SystemError) {
        let result = bpf_obj_pin(descriptor, path)
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_obj_pin", subject: path) }
    }
}
