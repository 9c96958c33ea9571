import JSON

/// The configuration of containerd 1.6 on a node. Paths are those in the root that it runs in.
public enum ContainerdFiles {
    public static let socket = "/run/containerd/containerd.sock"
    static let configuration = "/etc/containerd/config.toml"
    static let runtimeSpecification = "/etc/containerd/base.json"
    /// Where the userland disk is mounted.
    public static let userland = "/usr/userland"
    /// The folders of the userland that containers have in place of those of their image.
    public static let userlandFolders = ["bin", "lib", "lib64", "sbin", "usr"]
    /// Where CNI plugins are called, which are links to ``callProgram``.
    public static let pluginFolder = "/opt/labrun/cni"
    /// The node's own program, which hands calls to its runtime and is the program of built-in workloads.
    public static let callProgram = "/opt/labrun/labnode"
    /// The socket of the node's runtime. It is at the same place in every container.
    public static let runtimeSocket = "/run/labrun-node.sock"

    public static let arguments = ["/usr/bin/containerd", "--config", configuration, "--log-level", "warn"]

    /// Where the bundle of a container is as long as it runs, below containerd's root.
    public static func bundle(_ container: String) -> String {
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io/\(container)/config.json"
    }

    public static func files(registryPort: UInt16) -> [NodeFile] {
        [
            NodeFile(configuration, configurationText(registryPort)),
            NodeFile(runtimeSpecification, specification.canonicalText),
        ]
    }

    /// Images come from the node's own registry, whatever registry they name. Ports of containers are handed on in their
    /// annotations, where built-in workloads find them.
    private static func configurationText(_ registryPort: UInt16) -> String {
        """
        version = 2
        root = "/var/lib/containerd"
        state = "/run/containerd"
        oom_score = -999
        disabled_plugins = [
          "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
          "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.native",
          "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart",
          "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]

        [grpc]
          address = "\(socket)"

        [plugins."io.containerd.grpc.v1.cri"]
          sandbox_image = "\(ImageRegistry.sandboxImage)"
          disable_apparmor = true
          [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "\(pluginFolder)"
            conf_dir = "/etc/cni/net.d"
          [plugins."io.containerd.grpc.v1.cri".containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "runc"
            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"
              base_runtime_spec = "\(runtimeSpecification)"
              container_annotations = ["io.kubernetes.container.*"]
          [plugins."io.containerd.grpc.v1.cri".registry.mirrors."*"]
            endpoint = ["http://127.0.0.1:\(registryPort)"]

        """
    }

    private static let capabilities = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]
    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
    ]
    private static let readonlyPaths = [
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
    ]
    private static let temporaryFolders: [(place: String, source: String, options: [String])] = [
        ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/shm", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        ("/run", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ]

    /// What every container begins with: `ctr oci spec` of containerd 1.6.20, and the userland.
    static var specification: JSONValue {
        let mounts =
            [mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"])]
            + temporaryFolders.map { mount($0.place, "tmpfs", $0.source, $0.options) }
            + [
                mount(
                    "/dev/pts", "devpts", "devpts",
                    ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
                mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
                mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
            ]
            + userlandFolders.map { mount("/\($0)", "bind", "\(userland)/\($0)", ["rbind", "ro"]) }
            + [
                mount(ImageRegistry.workloadProgram, "bind", callProgram, ["bind", "ro"]),
                mount(runtimeSocket, "bind", runtimeSocket, ["bind"]),
            ]
        return .object([
            "ociVersion": .string("1.0.2-dev"), "root": .object(["path": .string("rootfs")]), "process": process,
            "mounts": .array(mounts),
            "linux": .object([
                "resources": .object([
                    "devices": .array([.object(["allow": .bool(false), "access": .string("rwm")])])
                ]),
                "cgroupsPath": .string("/default"),
                "namespaces": .array(
                    ["pid", "ipc", "uts", "mount", "network"].map { .object(["type": .string($0)]) }),
                "maskedPaths": list(maskedPaths), "readonlyPaths": list(readonlyPaths),
            ]),
        ])
    }

    private static var process: JSONValue {
        .object([
            "user": .object(["uid": .integer(0), "gid": .integer(0)]), "cwd": .string("/"),
            "noNewPrivileges": .bool(true),
            "capabilities": .object([
                "bounding": list(capabilities), "effective": list(capabilities), "permitted": list(capabilities),
            ]),
            "rlimits": .array([
                .object(["type": .string("RLIMIT_NOFILE"), "hard": .integer(65_536), "soft": .integer(65_536)])
            ]),
        ])
    }

    private static func list(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }

    private static func mount(_ place: String, _ type: String, _ source: String, _ options: [String]) -> JSONValue {
        .object([
            "destination": .string(place), "type": .string(type), "source": .string(source), "options": list(options),
        ])
    }
}

/// A small file of a node.
public struct NodeFile: Sendable, Equatable {
    /// The absolute path.
    public var path: String
    public var text: String
    public var mode: UInt32

    init(_ path: String, _ text: String, mode: UInt32 = 0o644) {
        self.path = path
        self.text = text
        self.mode = mode
    }
}
