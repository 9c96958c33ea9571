import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// Says why a lab's namespaces could not be entered, and how to mend it.
public struct LabEntryError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What was being done.
    public enum Stage: Int32, Sendable, CaseIterable {
        case spawn = -2
        case silent = -1
        case unshareUser = 1
        case idMap = 2
        case unshareOthers = 3
        case capabilities = 4
        case fork = 5
        case mountPrivate = 6
        case mountProc = 7
        case mountSys = 8
        case mountLab = 9
        case loopback = 10
        case report = 11

        var words: String {
            switch self {
            case .spawn: "start the lab host"
            case .silent: "hear from the lab host"
            case .unshareUser: "create a user namespace"
            case .idMap: "map the user into the user namespace"
            case .unshareOthers: "create network, mount, PID and IPC namespaces"
            case .capabilities: "keep capabilities in the user namespace"
            case .fork: "fork the lab's PID 1"
            case .mountPrivate: "make the mounts private"
            case .mountProc: "mount /proc"
            case .mountSys: "mount /sys"
            case .mountLab: "mount the lab's tmpfs"
            case .loopback: "bring the loopback interface up"
            case .report: "report from the lab host"
            }
        }
    }

    /// What was being done.
    public let stage: Stage
    /// `errno`, 0 when no system call failed.
    public let code: Int32
    /// A command or a sentence that says how to mend it; empty if that is not known.
    public let mend: String

    public init(stage: Stage, code: Int32, mend: String) {
        self.stage = stage
        self.code = code
        self.mend = mend
    }

    public var description: String {
        let reason = code == 0 ? "no answer" : String(cString: strerror(code))
        let failure = "cannot \(stage.words): \(reason)"
        return mend.isEmpty ? failure : "\(failure); to mend it: \(mend)"
    }
}

/// The kernel's settings for unprivileged user namespaces, as far as this kernel has them.
public struct UserNamespaceSettings: Sendable, Equatable {
    /// `/proc/sys/kernel/unprivileged_userns_clone` (Debian's and Ubuntu's patch).
    public var unprivilegedClone: Int?
    /// `/proc/sys/user/max_user_namespaces`.
    public var maximum: Int?
    /// `/proc/sys/kernel/apparmor_restrict_unprivileged_userns` (Ubuntu 23.10 and later).
    public var appArmorRestricts: Int?

    public init(unprivilegedClone: Int? = nil, maximum: Int? = nil, appArmorRestricts: Int? = nil) {
        self.unprivilegedClone = unprivilegedClone
        self.maximum = maximum
        self.appArmorRestricts = appArmorRestricts
    }

    /// Reads this host's present settings.
    public static func read() -> UserNamespaceSettings {
        func number(_ path: String) -> Int? {
            guard let file = try? FileDescriptor.open(path, O_RDONLY), let bytes = try? file.readToEnd() else {
                return nil
            }
            return Int(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
        }
        return UserNamespaceSettings(
            unprivilegedClone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            maximum: number("/proc/sys/user/max_user_namespaces"),
            appArmorRestricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"))
    }

    /// Returns the command that lifts the restriction behind a failure at this stage, or an empty text if no
    /// restriction explains it.
    public func mend(stage: LabEntryError.Stage, code: Int32, asRoot: Bool = geteuid() == 0) -> String {
        switch stage {
        case .unshareUser, .idMap, .unshareOthers, .capabilities:
            if maximum == 0 { return "sudo sysctl -w user.max_user_namespaces=10000" }
            if !asRoot, unprivilegedClone == 0 { return "sudo sysctl -w kernel.unprivileged_userns_clone=1" }
            if !asRoot, let restricts = appArmorRestricts, restricts != 0 {
                return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            }
            if code == ENOSPC || code == EUSERS {
                return "end other users of namespaces, or raise /proc/sys/user/max_*_namespaces"
            }
            if code == EPERM {
                return "allow user namespaces here (in a container: its seccomp profile, or --privileged)"
            }
            return ""
        case .mountProc, .mountSys:
            return "run where /proc and /sys are not masked (in a container: --security-opt systempaths=unconfined)"
        default:
            return ""
        }
    }
}
