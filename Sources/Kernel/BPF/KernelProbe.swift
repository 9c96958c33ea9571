import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Finds out what the running kernel supports by trying: libbpf loads a small program or creates a map, and looks at
/// the result. This needs the rights to load programs.
public enum KernelProbe {
    public enum MapType: Sendable {
        case lruHash, lpmTrie, ringbuf

        fileprivate var number: bpf_map_type {
            switch self {
            case .lruHash: BPF_MAP_TYPE_LRU_HASH
            case .lpmTrie: BPF_MAP_TYPE_LPM_TRIE
            case .ringbuf: BPF_MAP_TYPE_RINGBUF
            }
        }
    }

    /// Helper functions, each probed in the program type that calls it.
    public enum Helper: Sendable {
        case fibLookup, skAssign, netnsCookieOfSocketAddress

        fileprivate var number: (bpf_prog_type, bpf_func_id) {
            switch self {
            case .fibLookup: (BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_fib_lookup)
            case .skAssign: (BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_sk_assign)
            case .netnsCookieOfSocketAddress: (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie)
            }
        }
    }

    /// Hooks for the socket calls of a control group.
    public enum SocketHook: Sendable {
        case connect4, sendmsg4, recvmsg4, getpeername4

        fileprivate var number: bpf_attach_type {
            switch self {
            case .connect4: BPF_CGROUP_INET4_CONNECT
            case .sendmsg4: BPF_CGROUP_UDP4_SENDMSG
            case .recvmsg4: BPF_CGROUP_UDP4_RECVMSG
            case .getpeername4: BPF_CGROUP_INET4_GETPEERNAME
            }
        }
    }

    /// - Throws: `SystemError` if the kernel could not be asked, for example `EPERM`.
    public static func supports(_ map: MapType) throws(SystemError) -> Bool {
        try answer(libbpf_probe_bpf_map_type(map.number, nil), "libbpf_probe_bpf_map_type", "\(map)")
    }

    public static func supports(_ helper: Helper) throws(SystemError) -> Bool {
        let (program, function) = helper.number
        return try answer(libbpf_probe_bpf_helper(program, function, nil), "libbpf_probe_bpf_helper", "\(helper)")
    }

    /// Loads `r0 = 1; exit` for the attach type, because libbpf does not probe attach types. A kernel refuses those
    /// that it does not know with `EINVAL`.
    public static func supports(_ hook: SocketHook) throws(SystemError) -> Bool {
        var instructions = [bpf_insn(), bpf_insn()]
        instructions[0].code = UInt8(BPF_ALU64 | BPF_MOV | BPF_K)
        instructions[0].imm = 1
        instructions[1].code = UInt8(BPF_JMP | BPF_EXIT)
        var options = bpf_prog_load_opts()
        options.sz = MemoryLayout<bpf_prog_load_opts>.size
        options.expected_attach_type = hook.number
        let result = bpf_prog_load(
            BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "probe", "Dual BSD/GPL", &instructions, instructions.count, &options)
        if result >= 0 {
            close(result)
            return true
        }
        if result == -EINVAL { return false }
        throw SystemError(code: -result, call: "bpf_prog_load", subject: "\(hook)")
    }

    private static func answer(_ result: Int32, _ call: String, _ subject: String) throws(SystemError) -> Bool {
        guard result >= 0 else { throw SystemError(code: -result, call: call, subject: subject) }
        return result == 1
    }
}
