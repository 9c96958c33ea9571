#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CLinuxShim
import Glibc
import LinuxKernel

/// What a process does between its start and a container's program. The process is `labnode` under another name and
/// reads this value from its standard input. A process of its own is needed because only one with a single thread can
/// enter namespaces.
struct ContainerEntry: Codable, Sendable {
    static let programName = "labrun-container"
    /// The path under which the image has the binary for this.
    static let program = "/usr/bin/labrun-container"

    /// Directory that becomes `/`; must be a mount point.
    let root: String
    /// The network namespace to enter; nil for the node's own.
    let networkNamespace: String?
    /// The control group to enter; nil to stay in the parent's.
    let controlGroup: String?
    let hostname: String?
    /// Whether the program sees the node's `/run` in place of an empty one. Locks there are then shared with the node.
    let sharesRun: Bool
    let arguments: [String]
    let environment: [String]
    /// What the program reads as its standard input.
    let input: String

    static let searchPath = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    private static let cloneNewNamespace: Int32 = 0x0002_0000
    private static let cloneNewUTS: Int32 = 0x0400_0000
    private static let cloneNewNet: Int32 = 0x4000_0000

    /// Becomes the program, and never returns. When it cannot, it says why and exits with 126, or with 127 when there
    /// is no such program.
    static func main() -> Never {
        do {
            let text = try FileDescriptor(owning: dup(0)).readToEnd()
            let entry = try JSONDecoder().decode(ContainerEntry.self, from: Data(text))
            try entry.enter()
            try entry.execute()
        } catch {
            let message = Array("\(programName): \(error)\n".utf8)
            _ = message.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            exit((error as? SystemError)?.code == ENOENT ? 127 : 126)
        }
    }

    private func enter() throws {
        if let controlGroup { try writeTextFile(controlGroup + "/cgroup.procs", "0") }
        if let networkNamespace {
            let namespace = try FileDescriptor.open(networkNamespace, O_RDONLY)
            let number = namespace.rawValue
            try check("setns", networkNamespace) { linux_setns(number, Self.cloneNewNet) }
        }
        try check("unshare", "mount namespace") { linux_unshare(Self.cloneNewNamespace | Self.cloneNewUTS) }
        if let hostname { try check("sethostname", hostname) { sethostname(hostname, hostname.utf8.count) } }
        try mountFilesystem("none", on: "/", flags: UInt(MS_REC | MS_PRIVATE))
        try mountFilesystem("proc", on: root + "/proc", type: "proc", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC))
        try mountFilesystem(
            "sysfs", on: root + "/sys", type: "sysfs", flags: UInt(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC))
        if sharesRun {
            try mountFilesystem("/run", on: root + "/run", flags: UInt(MS_BIND))
        } else {
            try mountFilesystem("tmpfs", on: root + "/run", type: "tmpfs", options: "mode=0755,size=4m")
        }
        try mountFilesystem("tmpfs", on: root + "/tmp", type: "tmpfs", options: "mode=1777,size=16m")
        try mountDevices()
        // pivot_root(2) refuses to leave the initial RAM file system. The mount is moved over the root instead, as
        // switch_root(8) does.
        try check("chdir", root) { chdir(root) }
        try mountFilesystem(".", on: "/", flags: UInt(MS_MOVE))
        try check("chroot", root) { chroot(".") }
        try check("chdir", "/") { chdir("/") }
    }

    private func mountDevices() throws {
        let directory = root + "/dev"
        try mountFilesystem(
            "tmpfs", on: directory, type: "tmpfs", flags: UInt(MS_NOSUID), options: "mode=0755,size=64k")
        let devices: [(name: String, minor: dev_t)] = [
            ("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9),
        ]
        for device in devices {
            // The major number of memory devices is 1 (Documentation/admin-guide/devices.txt).
            let number = 1 << 8 | device.minor
            try check("mknod", device.name) { mknod("\(directory)/\(device.name)", S_IFCHR | 0o666, number) }
            chmod("\(directory)/\(device.name)", 0o666)
        }
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
            symlink(target, "\(directory)/\(name)")
        }
    }

    private func execute() throws -> Never {
        guard let program = arguments.first else {
            throw SystemError(code: EINVAL, call: "exec", subject: "no program")
        }
        let candidates = program.contains("/") ? [program] : Self.searchPath.map { "\($0)/\(program)" }
        guard let path = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw SystemError(code: ENOENT, call: "exec", subject: "\"\(program)\": executable file not found")
        }
        try replaceInput()
        var failure: Int32 = 0
        withCStrings(arguments) { argv in
            withCStrings(environment) { envp in
                execve(path, argv, envp)
                failure = errno
            }
        }
        throw SystemError(code: failure, call: "execve", subject: path)
    }

    private func replaceInput() throws {
        let bytes = Array(input.utf8)
        if bytes.isEmpty {
            let null = try FileDescriptor.open("/dev/null", O_RDONLY)
            let number = null.rawValue
            try check("dup2", "/dev/null") { dup2(number, 0) }
        } else {
            let file = try memoryFile(bytes)
            let number = file.rawValue
            try check("dup2", "input") { dup2(number, 0) }
        }
    }
}
