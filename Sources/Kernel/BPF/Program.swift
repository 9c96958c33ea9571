import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A loaded BPF program. The value owns its descriptor.
public struct Program: ~Copyable, Sendable {
    /// The program's full name (the kernel keeps 15 characters of it).
    public let name: String
    /// The kernel's number of the program, as `bpftool prog` shows it.
    public let identifier: UInt32
    /// The number of instructions after the kernel's translation.
    public let instructionCount: Int
    /// The number of instructions that the verifier walked; nil if neither the kernel nor its log told.
    public let verifiedInstructions: UInt32?
    private let file: FileDescriptor

    /// The descriptor's number. It is valid as long as the program value.
    public var descriptor: Int32 { file.rawValue }

    init(name: String, duplicating descriptor: Int32, processed: UInt32?) throws(SystemError) {
        try self.init(
            name: name, file: try FileDescriptor(duplicating: descriptor, subject: name), processed: processed)
    }

    /// Opens a pinned program.
    public init(name: String, pinnedAt path: String) throws(SystemError) {
        let opened = bpf_obj_get(path)
        guard opened >= 0 else { throw SystemError(code: -opened, call: "bpf_obj_get", subject: path) }
        try self.init(name: name, file: FileDescriptor(owning: opened), processed: nil)
    }

    private init(name: String, file: consuming FileDescriptor, processed: UInt32?) throws(SystemError) {
        let info = try Program.info(file, name: name)
        self.name = name
        self.file = file
        identifier = info.id
        instructionCount = Int(info.xlated_prog_len) / MemoryLayout<bpf_insn>.size
        verifiedInstructions = info.verified_insns == 0 ? processed : info.verified_insns
    }

    private static func info(_ file: borrowing FileDescriptor, name: String) throws(SystemError) -> bpf_prog_info {
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        let result = bpf_obj_get_info_by_fd(file.rawValue, &info, &length)
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_obj_get_info_by_fd", subject: name) }
        return info
    }

    /// The result of a test run.
    public struct TestRun: Sendable {
        /// The program's return value; for tc programs a `TC_ACT_*` verdict.
        public let verdict: Int32
        /// The packet afterwards, from the Ethernet header on.
        public let packet: [UInt8]
        /// Mean time of one run in nanoseconds.
        public let durationNanoseconds: UInt32
        /// `skb->mark` afterwards.
        public let mark: UInt32
        /// `skb->tstamp` afterwards: the time in nanoseconds at which the packet may leave. It is 0 if the packet may
        /// leave at once.
        public let departure: UInt64
    }

    /// Runs the program once (or `repeating` times on the same packet, which is not reset in between) on a packet.
    ///
    /// - Parameters:
    ///   - packet: from the Ethernet header on, at least 14 bytes.
    ///   - interface: the ifindex that the program sees; it must exist. Kernels before 5.10 refuse it.
    /// - Throws: `SystemError`, `EINVAL` for packets that the kernel does not run.
    public func testRun(
        packet: [UInt8], mark: UInt32 = 0, interface: UInt32 = 1, repeating: Int32 = 1
    ) throws(SystemError) -> TestRun {
        var context = __sk_buff()
        context.mark = mark
        context.ifindex = interface
        var output = [UInt8](repeating: 0, count: packet.count + 512)
        var options = bpf_test_run_opts()
        options.sz = optionsSize(through: \bpf_test_run_opts.batch_size)
        options.repeat = repeating
        let result = packet.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { output in
                withUnsafeMutableBytes(of: &context) { context in
                    options.data_in = input.baseAddress
                    options.data_size_in = UInt32(input.count)
                    options.data_out = output.baseAddress
                    options.data_size_out = UInt32(output.count)
                    options.ctx_in = UnsafeRawPointer(context.baseAddress)
                    options.ctx_size_in = UInt32(context.count)
                    options.ctx_out = context.baseAddress
                    options.ctx_size_out = UInt32(context.count)
                    return bpf_prog_test_run_opts(file.rawValue, &options)
                }
            }
        }
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_prog_test_run_opts", subject: name) }
        return TestRun(
            verdict: Int32(bitPattern: options.retval), packet: Array(output.prefix(Int(options.data_size_out))),
            durationNanoseconds: options.duration, mark: context.mark, departure: context.tstamp)
    }
}
