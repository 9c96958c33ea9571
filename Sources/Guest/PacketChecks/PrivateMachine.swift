import CLinuxShim
import Datapath
import DatapathOptions
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Network, mount and process namespaces that make a machine of the program's own outside of lab nodes. What the checks
/// make and start is in them, and ends with them, even if the program is killed.
public enum PrivateMachine {
    /// Why nothing can run on this machine.
    public struct Lack: Error, CustomStringConvertible {
        public let description: String
    }

    private static let mark = "LABVERIFY_PRIVATE_MACHINE"
    /// A file that only nodes of labs have.
    private static let nodeFile = "/etc/labrun/image"
    /// `CLONE_NEWNS`, `CLONE_NEWIPC`, `CLONE_NEWPID` and `CLONE_NEWNET` (`linux/sched.h`).
    private static let namespaces: Int32 = 0x0002_0000 | 0x0800_0000 | 0x2000_0000 | 0x4000_0000

    /// Whether the program runs in a node of a lab, which is all its own already.
    public static var isNode: Bool { access(nodeFile, F_OK) == 0 }

    /// Runs this program again, with the same arguments, as the first process of new namespaces, and waits for its end.
    ///
    /// - Returns: The exit status. It is nil in a node and in the program that runs again, where the caller goes on.
    /// - Throws: ``Lack`` without root, or on a kernel that lacks namespaces or BPF.
    public static func enter() throws -> Int32? {
        if isNode { return nil }
        if getpid() == 1, getenv(mark) != nil {
            try furnish()
            return nil
        }
        guard geteuid() == 0 else { throw Lack(description: "it takes root") }
        do {
            try check("unshare", "namespaces") { linux_unshare(namespaces) }
        } catch {
            throw Lack(description: "no namespaces can be made: \(error)")
        }
        setenv(mark, "1", 1)
        return try waitForEnd(of: try spawnSelf())
    }

    private static func furnish() throws {
        linux_end_with_parent()
        try mountFilesystem("", on: "/", flags: UInt(MS_REC | MS_PRIVATE))
        try mountFilesystem("proc", on: "/proc", type: "proc")
        try mountFilesystem("tmpfs", on: "/run", type: "tmpfs")
        // sysfs shows the devices of the network namespace in which it was mounted.
        try mountFilesystem("sysfs", on: "/sys", type: "sysfs")
        do {
            try mountFilesystem("bpf", on: BPFFilesystem.mountPoint, type: "bpf")
            let features = try KernelFeatures.probe(masking: []).available
            for needed in [KernelFeature.ringbuf, .lpmTrie, .lruHash] where !features.contains(needed) {
                throw Lack(description: "this kernel has no \(needed.rawValue)")
            }
        } catch let error as SystemError where error.code == EPERM || KernelPart.means(nothing: error.code) {
            throw Lack(description: "this kernel has no BPF to offer: \(error)")
        }
    }

    private static func spawnSelf() throws(SystemError) -> pid_t {
        let copies = CommandLine.arguments.map { strdup($0) } + [nil]
        defer { for copy in copies { free(copy) } }
        var identifier: pid_t = 0
        let result = posix_spawn(&identifier, "/proc/self/exe", nil, nil, copies, environ)
        guard result == 0 else { throw SystemError(code: result, call: "posix_spawn", subject: "/proc/self/exe") }
        return identifier
    }

    private static func waitForEnd(of child: pid_t) throws(SystemError) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw SystemError(code: errno, call: "waitpid", subject: "process \(child)") }
        }
        switch ExitStatus(waitStatus: status) {
        case .exited(let code): return code
        // A shell reports a signal in the same way.
        case .signalled(let number): return 128 + number
        }
    }
}
