#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CLinuxShim
import CNodeShim
import Glibc
import LinuxKernel

/// What a process does between its start and a container's program. The process is `labnode` under another name and
/// reads this value from its standard input or, if it has an argument, from that file, which it removes. A process of
/// its own is needed because only one with a single thread can enter namespaces.
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
    /// What the program reads as its standard input. With `keepsInput` it has the process's own instead.
    var input = ""
    var keepsInput = false
    /// Whether the standard input is a terminal that becomes the program's.
    var hasTerminal = false
    /// A process whose namespaces are entered, in place of new ones; `root` and what is mounted there do not count
    /// then.
    var joins: Int32?
    /// Whether the program is the first process of a process namespace.
    var isFirstProcess = false
    var mounts: [ContainerMount] = []
    var workingDirectory: String?
    var user: UInt32?
    var group: UInt32?
    /// The groups besides `group`; nil keeps those of the starter unless there is a group.
    var supplementalGroups: [UInt32]?
    var readOnlyRoot = false
    /// The capabilities that its programs may have, a bit each; nil for all.
    var capabilities: UInt64?
    var forbidsNewPrivileges = false
    /// Whether the program may write to `/sys`.
    var isPrivileged = false

    static let searchPath = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    private static let cloneNewNamespace: Int32 = 0x0002_0000
    private static let cloneNewUTS: Int32 = 0x0400_0000
    private static let cloneNewNet: Int32 = 0x4000_0000
    private static let cloneNewPID: Int32 = 0x2000_0000

    /// Becomes the program, and never returns. When it cannot, it says why and exits with 126, or with 127 when there
    /// is no such program. It says so to the pipe of its starter, if there is one, which otherwise ends when the
    /// program begins.
    static func main() -> Never {
        let status = CommandLine.arguments.count > 1 ? openStatus(CommandLine.arguments[1]) : -1
        do {
            let entry = try JSONDecoder().decode(ContainerEntry.self, from: Data(try given()))
            if let process = entry.joins { try entry.join(process) } else { try entry.enter() }
            try entry.execute()
        } catch {
            let words = status < 0 ? "\(programName): \(error)\n" : "\(error)"
            let message = Array(words.utf8)
            _ = message.withUnsafeBytes { write(status < 0 ? 2 : status, $0.baseAddress, $0.count) }
            exit((error as? SystemError)?.code == ENOENT || error is MissingProgram ? 127 : 126)
        }
    }

    private static func openStatus(_ path: String) -> Int32 {
        (try? FileDescriptor.open(statusPath(path), O_WRONLY))?.release() ?? -1
    }

    /// The pipe on which the starter waits, beside the file with the entry.
    static func statusPath(_ path: String) -> String { path + ".status" }

    /// That there is no program, in the words of runc.
    private struct MissingProgram: Error, CustomStringConvertible {
        let program: String
        var description: String {
            program.contains("/")
                ? "exec: \"\(program)\": stat \(program): no such file or directory"
                : "exec: \"\(program)\": executable file not found in $PATH"
        }
    }

    private static func given() throws -> [UInt8] {
        guard CommandLine.arguments.count > 1 else { return try FileDescriptor(owning: dup(0)).readToEnd() }
        let path = CommandLine.arguments[1]
        defer { unlink(path) }
        return try FileDescriptor.open(path, O_RDONLY).readToEnd()
    }

    /// Enters the namespaces of a container that runs.
    private func join(_ process: Int32) throws {
        if let controlGroup { try writeTextFile(controlGroup + "/cgroup.procs", "0") }
        // The last one takes the paths of the others away.
        let kinds = [
            ("net", Self.cloneNewNet), ("uts", Self.cloneNewUTS), ("pid_for_children", Self.cloneNewPID),
            ("mnt", Self.cloneNewNamespace),
        ]
        for (name, kind) in kinds {
            let path = "/proc/\(process)/ns/\(name)"
            let number = try FileDescriptor.open(path, O_RDONLY).release()
            defer { close(number) }
            try check("setns", path) { linux_setns(number, kind) }
        }
        try check("fork", "program") { node_fork_and_follow() }
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
        if isFirstProcess {
            try check("unshare", "process namespace") { linux_unshare(Self.cloneNewPID) }
            try check("fork", "first process") { node_fork_and_follow() }
        }
        try mountFilesystem("proc", on: root + "/proc", type: "proc", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC))
        let readOnly = isPrivileged ? 0 : MS_RDONLY
        try mountFilesystem(
            "sysfs", on: root + "/sys", type: "sysfs", flags: UInt(readOnly | MS_NOSUID | MS_NODEV | MS_NOEXEC))
        if sharesRun {
            try mountFilesystem("/run", on: root + "/run", flags: UInt(MS_BIND))
        } else {
            try mountFilesystem("tmpfs", on: root + "/run", type: "tmpfs", options: "mode=0755,size=4m")
        }
        try mountFilesystem("tmpfs", on: root + "/tmp", type: "tmpfs", options: "mode=1777,size=16m")
        try mountDevices()
        try ContainerMounts(root: root).mount(mounts)
        if readOnlyRoot { try mountFilesystem("", on: root, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY)) }
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
        guard isFirstProcess else { return }
        for name in ["pts", "shm"] { mkdir("\(directory)/\(name)", 0o755) }
        try mountFilesystem(
            "devpts", on: directory + "/pts", type: "devpts", flags: UInt(MS_NOSUID | MS_NOEXEC),
            options: "newinstance,ptmxmode=0666,mode=0620")
        symlink("pts/ptmx", directory + "/ptmx")
        try mountFilesystem(
            "tmpfs", on: directory + "/shm", type: "tmpfs", flags: UInt(MS_NOSUID | MS_NODEV),
            options: "mode=1777,size=16m")
    }

    private func execute() throws -> Never {
        guard let program = arguments.first else {
            throw SystemError(code: EINVAL, call: "exec", subject: "no program")
        }
        let candidates = program.contains("/") ? [program] : Self.searchPath.map { "\($0)/\(program)" }
        guard let path = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw MissingProgram(program: program)
        }
        if !keepsInput { try replaceInput() }
        if hasTerminal { try check("setsid", "terminal") { node_take_terminal() } }
        if let workingDirectory { try check("chdir", workingDirectory) { chdir(workingDirectory) } }
        // Root's rights are needed for what follows, and are lost with the next program.
        if let capabilities { try check("prctl", "capabilities") { node_limit_capabilities(capabilities) } }
        if let supplementalGroups {
            try check("setgroups") { setgroups(supplementalGroups.count, supplementalGroups) }
        }
        if let group {
            if supplementalGroups == nil { try check("setgroups") { setgroups(0, nil) } }
            try check("setgid", "\(group)") { setgid(group) }
        }
        if let user { try check("setuid", "\(user)") { setuid(user) } }
        if forbidsNewPrivileges { try check("prctl", "no_new_privs") { node_forbid_new_privileges() } }
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
