import CNodeShim
import Glibc
import LinuxKernel

/// What PID 1 does before anything else: filesystems, kernel modules, limits.
enum NodeBoot {
    private struct Filesystem {
        let type: String
        let path: String
        var options = ""
        /// The node is of use without it.
        var isOptional = false
    }

    private static let filesystems = [
        Filesystem(type: "proc", path: "/proc"),
        Filesystem(type: "sysfs", path: "/sys"),
        Filesystem(type: "devtmpfs", path: "/dev"),
        Filesystem(type: "tmpfs", path: "/run", options: "mode=0755"),
        Filesystem(type: "tmpfs", path: "/tmp"),
        Filesystem(type: "cgroup2", path: "/sys/fs/cgroup", isOptional: true),
        Filesystem(type: "bpf", path: "/sys/fs/bpf", isOptional: true),
    ]

    /// Modules to load, absolute paths, one a line, in order.
    static let moduleList = "/etc/labrun/modules"
    static let descriptorLimit: UInt64 = 65_536

    static func mountFilesystems() throws {
        for filesystem in filesystems {
            makeDirectories(filesystem.path)
            do {
                try mountFilesystem(
                    filesystem.type, on: filesystem.path, type: filesystem.type, options: filesystem.options)
            } catch {
                // Busy: devtmpfs, when the kernel has mounted it already.
                if error.code == EBUSY { continue }
                guard filesystem.isOptional else { throw error }
                Console.say("\(error)")
            }
        }
        makeDirectories(NodePaths.networkNamespaces)
    }

    /// Loads every listed module; answers what failed. A missing list is no failure: the kernel may have all built in.
    static func loadModules() -> [String] {
        guard let list = try? readTextFile(moduleList) else { return [] }
        var failures: [String] = []
        for line in list.split(separator: "\n") where !line.hasPrefix("#") {
            do {
                try KernelModule.load(String(line))
            } catch {
                failures.append("\(error)")
            }
        }
        return failures
    }

    /// Limits and the kernel settings that the prober's bursts need.
    static func raiseLimits() throws {
        try check("setrlimit", "RLIMIT_NOFILE") { node_set_descriptor_limit(descriptorLimit) }
        // Bursts of a whole matrix cross one CPU's backlog (net.core.netdev_max_backlog, default 1000).
        try? writeTextFile("/proc/sys/net/core/netdev_max_backlog", "10000")
        // An unreachable answer that is withheld would look like a timeout.
        try? writeTextFile("/proc/sys/net/ipv4/icmp_ratelimit", "0")
        try? writeTextFile("/proc/sys/net/ipv4/icmp_msgs_per_sec", "100000")
        try? writeTextFile("/proc/sys/net/ipv4/icmp_msgs_burst", "10000")
        // The lab host sees a node's death only when the node dies of it.
        try? writeTextFile("/proc/sys/kernel/panic_on_oops", "1")
        try check("lo", "host") { node_loopback_up() }
    }
}

enum NodePaths {
    static let networkNamespaces = "/run/netns"
    static let serialPorts = "/sys/class/virtio-ports"
    static let channelName = "labrun.link"
}
