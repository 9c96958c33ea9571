import CNodeShim
import Files
import Glibc
import LinuxKernel

/// What PID 1 does before anything else: filesystems, kernel modules, limits.
enum NodeBoot {
    private struct Filesystem {
        let type: String
        let path: String
        var options = ""
        /// Whether the node can do without it.
        var isOptional = false
    }

    private static let filesystems = [
        Filesystem(type: "proc", path: "/proc"),
        Filesystem(type: "sysfs", path: "/sys"),
        Filesystem(type: "devtmpfs", path: "/dev"),
        Filesystem(type: "devpts", path: "/dev/pts", options: "mode=0620,ptmxmode=0666", isOptional: true),
        Filesystem(type: "tmpfs", path: "/run", options: "mode=0755"),
        Filesystem(type: "tmpfs", path: "/tmp"),
        Filesystem(type: "cgroup2", path: "/sys/fs/cgroup", isOptional: true),
        Filesystem(type: "bpf", path: "/sys/fs/bpf", isOptional: true),
    ]

    /// The file that lists the modules to load: absolute paths, one in a line, in the order of loading.
    static let moduleList = "/etc/labrun/modules"
    static let descriptorLimit: UInt64 = 65_536

    static func mountFilesystems() throws {
        for filesystem in filesystems {
            try? Directories.make(filesystem.path)
            do {
                try mountFilesystem(
                    filesystem.type, on: filesystem.path, type: filesystem.type, options: filesystem.options)
            } catch {
                // `EBUSY` comes for devtmpfs when the kernel has mounted it already.
                if error.code == EBUSY { continue }
                guard filesystem.isOptional else { throw error }
                Console.say("\(error)")
            }
        }
        try? Directories.make(NodePaths.networkNamespaces)
    }

    /// Loads every listed module and answers what failed. A missing list is no failure: the kernel may have all of them
    /// built in.
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

    /// Raises limits and sets what the prober's bursts need of the kernel.
    static func raiseLimits() throws {
        try check("setrlimit", "RLIMIT_NOFILE") { node_set_descriptor_limit(descriptorLimit) }
        // The packets of a whole matrix come at once and would overflow the backlog of one CPU, 1000 packets by
        // default.
        try? writeTextFile("/proc/sys/net/core/netdev_max_backlog", "10000")
        // If the kernel withheld an ICMP "unreachable" because of its rate limit, the probe would look like a timeout.
        try? writeTextFile("/proc/sys/net/ipv4/icmp_ratelimit", "0")
        try? writeTextFile("/proc/sys/net/ipv4/icmp_msgs_per_sec", "100000")
        try? writeTextFile("/proc/sys/net/ipv4/icmp_msgs_burst", "10000")
        // An oops becomes a panic: the lab host notices a broken kernel only when the node ends.
        try? writeTextFile("/proc/sys/kernel/panic_on_oops", "1")
        try check("lo", "host") { node_loopback_up() }
    }
}

enum NodePaths {
    static let networkNamespaces = "/run/netns"
    static let serialPorts = "/sys/class/virtio-ports"
    static let channelName = "labrun.link"
}
