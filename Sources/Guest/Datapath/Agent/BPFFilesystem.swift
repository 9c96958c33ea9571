import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The BPF file system, in which pinned maps outlive the agent.
package enum BPFFilesystem {
    package static let mountPoint = "/sys/fs/bpf"
    package static let pins = mountPoint + "/labrun"

    /// Mounts it if nobody has, and creates the directory of the pins.
    package static func ensure() throws(SystemError) {
        let mounts = String(
            decoding: try FileDescriptor.open("/proc/self/mounts", O_RDONLY).readToEnd(), as: UTF8.self)
        let isMounted = mounts.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 2 && fields[1] == mountPoint && fields[2] == "bpf"
        }
        if !isMounted { try mountFilesystem("bpf", on: mountPoint, type: "bpf") }
        try Directories.make(pins, mode: 0o700)
    }
}
