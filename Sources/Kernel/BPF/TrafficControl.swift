import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Attaches programs as direct-action filters of an interface's clsact qdisc.
///
/// We have one filter per direction, with a fixed priority and handle. Attaching again therefore replaces it in one
/// step, so that packets meet the old program or the new one and never none, and a restarted agent finds what it left.
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

    /// The filter's handle and priority. The priority is low, so that it runs before the filters of others.
    public static let handle: UInt32 = 1
    public static let priority: UInt32 = 1

    /// Attaches the program, and replaces the one that is there.
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

    /// Returns the kernel's number of the attached program, or nil if there is none.
    public static func attachedProgram(interface: UInt32, _ direction: Direction) throws(SystemError) -> UInt32? {
        var hook = hook(interface, direction)
        var options = options()
        let result = bpf_tc_query(&hook, &options)
        // There is no filter or no qdisc, so nothing is attached.
        if result == -ENOENT || result == -EINVAL { return nil }
        try require(result, "bpf_tc_query", "interface \(interface)")
        return options.prog_id
    }

    /// Detaches our filter. Returns false if there was none.
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
        // libbpf would warn if the qdisc existed already, which is fine here.
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
