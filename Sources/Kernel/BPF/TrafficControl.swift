import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Programs as direct-action filters of an interface's clsact qdisc.
///
/// There is one filter of ours per direction, at a fixed priority and handle, so that attaching again replaces it in
/// one step (packets meet the old program or the new one, never none), and a restarted agent finds what it left.
public enum TrafficControl {
    public enum Direction: Sendable, Hashable, CaseIterable {
        /// What the interface receives.
        case ingress
        /// What the interface sends.
        case egress

        fileprivate var attachPoint: bpf_tc_attach_point {
            switch self {
            case .ingress: BPF_TC_INGRESS
            case .egress: BPF_TC_EGRESS
            }
        }
    }

    /// The filter's handle and priority; low, so that it comes before filters of others.
    public static let handle: UInt32 = 1
    public static let priority: UInt32 = 1

    /// Attaches the program, in the place of the one that is there.
    public static func attach(
        _ program: borrowing Program, to interface: UInt32, _ direction: Direction
    ) throws(SystemError) {
        try createQdisc(interface)
        var hook = hook(interface, direction)
        var options = options()
        options.prog_fd = program.descriptor
        options.flags = BPF_TC_F_REPLACE.rawValue
        try require(bpf_tc_attach(&hook, &options), "bpf_tc_attach", "\(program.name) to interface \(interface)")
    }

    /// The kernel's number of the program that is attached, nil when there is none.
    public static func attachedProgram(interface: UInt32, _ direction: Direction) throws(SystemError) -> UInt32? {
        var hook = hook(interface, direction)
        var options = options()
        let result = bpf_tc_query(&hook, &options)
        // No filter, no qdisc: both mean that nothing is attached.
        if result == -ENOENT || result == -EINVAL { return nil }
        try require(result, "bpf_tc_query", "interface \(interface)")
        return options.prog_id
    }

    /// Detaches our filter; false when there was none.
    @discardableResult
    public static func detach(interface: UInt32, _ direction: Direction) throws(SystemError) -> Bool {
        var hook = hook(interface, direction)
        var options = options()
        let result = bpf_tc_detach(&hook, &options)
        if result == -ENOENT || result == -EINVAL { return false }
        try require(result, "bpf_tc_detach", "interface \(interface)")
        return true
    }

    private static func createQdisc(_ interface: UInt32) throws(SystemError) {
        var hook = hook(interface, .ingress)
        // That it is there already is no warning for the log.
        LibbpfMessages.install()
        let result = bpf_tc_hook_create(&hook)
        if result == -EEXIST { return }
        try require(result, "bpf_tc_hook_create", "interface \(interface)")
    }

    private static func hook(_ interface: UInt32, _ direction: Direction) -> bpf_tc_hook {
        var hook = bpf_tc_hook()
        hook.sz = optionsSize(through: \bpf_tc_hook.parent)
        hook.ifindex = Int32(bitPattern: interface)
        hook.attach_point = direction.attachPoint
        return hook
    }

    private static func options() -> bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = optionsSize(through: \bpf_tc_opts.priority)
        options.handle = handle
        options.priority = priority
        return options
    }

    private static func require(_ result: Int32, _ call: String, _ subject: String) throws(SystemError) {
        guard result == 0 else { throw SystemError(code: -result, call: call, subject: subject) }
    }
}
