import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The places on a control group at which programs for socket addresses are attached.
public enum ControlGroupHook: Sendable, CaseIterable {
    case connect4, sendMessage4, receiveMessage4, getPeerName4

    fileprivate var type: bpf_attach_type {
        switch self {
        case .connect4: BPF_CGROUP_INET4_CONNECT
        case .sendMessage4: BPF_CGROUP_UDP4_SENDMSG
        case .receiveMessage4: BPF_CGROUP_UDP4_RECVMSG
        case .getPeerName4: BPF_CGROUP_INET4_GETPEERNAME
        }
    }
}

extension Program {
    /// Attaches the program to a control group (a directory of cgroup v2) and everything below it. It replaces the
    /// program that is there in one step. It stays until it is detached or the group is removed.
    public func attach(toControlGroup path: String, _ hook: ControlGroupHook) throws(SystemError) {
        let group = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        // Without BPF_F_ALLOW_MULTI a second program replaces the first (bpf_prog_attach(2)).
        let result = bpf_prog_attach(descriptor, group.rawValue, hook.type, UInt32(BPF_F_ALLOW_OVERRIDE))
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_prog_attach", subject: "\(name) \(path)") }
    }

    /// Detaches whatever program is there. A missing program or control group is no error.
    public static func detach(fromControlGroup path: String, _ hook: ControlGroupHook) throws(SystemError) {
        let group: FileDescriptor
        do throws(SystemError) {
            group = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            if error.code == ENOENT { return }
            throw error
        }
        let result = bpf_prog_detach(group.rawValue, hook.type)
        // ENOENT: no program; EBADF: not a directory of cgroup v2.
        guard result == 0 || result == -ENOENT || result == -EBADF || result == -EINVAL else {
            throw SystemError(code: -result, call: "bpf_prog_detach", subject: path)
        }
    }
}
