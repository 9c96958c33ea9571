import KubeletService

/// The capabilities of a container's programs, a bit each, as a container runtime makes them of a pod's
/// `securityContext`.
enum ContainerCapabilities {
    /// By number: capabilities(7).
    static let names = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
        "CHECKPOINT_RESTORE",
    ]
    /// What containerd gives without being asked.
    private static let usual: Set<String> = [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ]

    /// Returns the set of a container; all bits for a privileged one.
    ///
    /// - Throws: `PodRuntimeError` for a name that no kernel knows.
    static func set(isPrivileged: Bool, adding: [String], dropping: [String]) throws(PodRuntimeError) -> UInt64 {
        if isPrivileged { return .max }
        let (added, dropped) = (try known(adding), try known(dropping))
        var all = usual
        if added.contains("ALL") { all = Set(names) }
        if dropped.contains("ALL") { all = [] }
        all.formUnion(added.subtracting(["ALL"]))
        all.subtract(dropped)
        return names.enumerated().reduce(UInt64(0)) { all.contains($1.element) ? $0 | 1 << UInt64($1.offset) : $0 }
    }

    private static func known(_ given: [String]) throws(PodRuntimeError) -> Set<String> {
        for name in given where name != "ALL" && !names.contains(name) {
            throw PodRuntimeError("unknown capability \"CAP_\(name)\"")
        }
        return Set(given)
    }
}
