import CLinuxShim
import Files
import Glibc
import LinuxKernel
import NodeProtocol
import RealKubelet

/// The root file system of kubelet and containerd: their disk over the userland's, and over both a layer in RAM.
///
/// Each of these programs has a mount namespace of its own, whose root it is (``RootEntry``). What is mounted below `/run`
/// and `/var` in one of them is mounted in the others, too, and here: `/run/netns/…` of containerd is
/// `ROOT/run/netns/…` of the node.
enum KubeletRoot {
    static let path = "/usr/node"
    private static let device = "/dev/vdb"
    private static let disk = "/usr/kubelet"
    private static let layer = "/run/labrun-node-root"
    private static let patience = Duration.seconds(5)

    /// Mounts the root, and makes the links by which containerd calls CNI plugins. The userland disk is mounted before.
    /// - Throws: `NodeFailure` `no-kubelet` for a machine without the disk; `SystemError`.
    static func make(conflists: String, plugins: String) throws {
        let deadline = Deadline.after(patience)
        while access(device, F_OK) != 0 {
            guard !deadline.hasPassed else {
                throw NodeFailure(
                    code: "no-kubelet", message: "the node has no disk with a kubelet: \(device) is not there")
            }
            poll(nil, 0, 2)
        }
        try? Directories.make(disk)
        try mountFilesystem(device, on: disk, type: "squashfs", flags: UInt(MS_RDONLY | MS_NODEV))
        for part in ["/upper", "/work"] { try Directories.make(layer + part) }
        try? Directories.make(path)
        try mountFilesystem(
            "overlay", on: path, type: "overlay",
            options: "lowerdir=\(disk):\(UserlandDisk.mountPoint),upperdir=\(layer)/upper,workdir=\(layer)/work")
        for place in ["/proc", "/sys", "/dev"] { try bind(place, path + place, recursively: true) }
        for (place, mode) in [("/run", "0755"), ("/tmp", "1777"), ("/var", "0755")] {
            try? Directories.make(path + place)
            try mountFilesystem("tmpfs", on: path + place, type: "tmpfs", options: "mode=\(mode)")
        }
        for place in ["/run", "/var"] { try mountFilesystem("none", on: path + place, flags: UInt(MS_SHARED)) }
        for place in ["/var/lib", "/var/log", "/var/tmp", "/etc/kubernetes/manifests", "/root"] {
            try? Directories.make(path + place)
        }
        symlink("../run", path + "/var/run")
        try bind(UserlandDisk.mountPoint, path + ContainerdFiles.userland)
        try? Directories.make(conflists)
        try bind(conflists, path + "/etc/cni/net.d")
        try makeCallProgram(plugins)
    }

    private static func makeCallProgram(_ plugins: String) throws {
        let program = path + ContainerdFiles.callProgram
        let folder = path + ContainerdFiles.pluginFolder
        try Directories.make(folder)
        try writeTextFile(program, "")
        try mountFilesystem("/init", on: program, flags: UInt(MS_BIND))
        // containerd brings every sandbox's own interface up by the plugin of this name.
        for name in try Directories.names(in: plugins) + ["loopback"] {
            symlink(ContainerdFiles.callProgram, "\(folder)/\(name)")
        }
    }

    private static func bind(_ source: String, _ target: String, recursively: Bool = false) throws {
        try? Directories.make(target)
        try mountFilesystem(source, on: target, flags: UInt(recursively ? MS_BIND | MS_REC : MS_BIND))
    }

    static func write(_ files: [NodeFile]) throws {
        for file in files {
            guard let slash = file.path.lastIndex(of: "/") else { continue }
            try? Directories.make(path + file.path[..<slash])
            try writeTextFile(path + file.path, file.text)
            try check("chmod", file.path) { chmod(path + file.path, file.mode) }
        }
    }
}

/// `labrun-enter ROOT PROGRAM ARGUMENT…` becomes the program in a mount namespace whose root is the mount ROOT.
///
/// The mount is moved over the namespace's root, as switch_root(8) does. In a mere chroot(2) containers would run, and
/// programs that are executed in them would not: runc joins the mount namespace of a container for these, and with it
/// comes the namespace's root, which would still be the node's own.
enum RootEntry {
    private static let cloneNewNamespace: Int32 = 0x20000
    static let programName = "labrun-enter"
    private static let program = "/run/labrun-node-root/" + programName

    /// The command line that runs another one in the root.
    /// - Throws: `SystemError`.
    static func command(_ words: [String]) throws -> [String] {
        if access(program, F_OK) != 0 { try check("symlink", program) { symlink("/init", program) } }
        return [program, KubeletRoot.path] + words
    }

    static func main() -> Never {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.count >= 2 else { Console.fatal("\(programName): ROOT PROGRAM [ARGUMENT…]") }
        do {
            try check("unshare", "mount namespace") { linux_unshare(cloneNewNamespace) }
            try check("chdir", words[0]) { chdir(words[0]) }
            try mountFilesystem(".", on: "/", flags: UInt(MS_MOVE))
            try check("chroot", ".") { chroot(".") }
            try check("chdir", "/") { chdir("/") }
            withCStrings(Array(words.dropFirst())) { argv in _ = execve(words[1], argv, environ) }
            throw SystemError.last("execve", words[1])
        } catch {
            try? FileDescriptor(owning: dup(2)).writeAll(Array("\(programName): \(error)\n".utf8))
            exit(127)
        }
    }
}
