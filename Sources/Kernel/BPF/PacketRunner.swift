import CLibbpf
import LinuxKernel

/// Runs many single packets through programs. It keeps its memory and options between runs and asks for nothing but the
/// verdict.
public struct PacketRunner: ~Copyable {
    private let options: UnsafeMutablePointer<bpf_test_run_opts>
    private let context: UnsafeMutablePointer<__sk_buff>

    /// - Parameter interface: The ifindex that programs see. The interface must exist.
    public init(interface: UInt32) {
        options = .allocate(capacity: 1)
        options.initialize(to: bpf_test_run_opts())
        context = .allocate(capacity: 1)
        context.initialize(to: __sk_buff())
        context.pointee.ifindex = interface
        options.pointee.sz = optionsSize(through: \bpf_test_run_opts.batch_size)
        options.pointee.repeat = 1
        options.pointee.ctx_in = UnsafeRawPointer(context)
        options.pointee.ctx_size_in = UInt32(MemoryLayout<__sk_buff>.size)
    }

    deinit {
        options.deallocate()
        context.deallocate()
    }

    /// - Parameter packet: from the Ethernet header on, at least 15 bytes.
    /// - Returns: the program's return value; for tc programs a `TC_ACT_*` verdict.
    /// - Throws: `SystemError`, `EINVAL` for packets that the kernel does not run.
    public func run(
        _ program: borrowing Program, _ packet: [UInt8], mark: UInt32 = 0
    ) throws(SystemError) -> Int32 {
        context.pointee.mark = mark
        // The previous run left its size here. Zero asks for no output.
        options.pointee.data_size_out = 0
        let result = packet.withUnsafeBytes { bytes in
            options.pointee.data_in = bytes.baseAddress
            options.pointee.data_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(program.descriptor, options)
        }
        guard result == 0 else {
            throw SystemError(code: -result, call: "bpf_prog_test_run_opts", subject: program.name)
        }
        return Int32(bitPattern: options.pointee.retval)
    }
}
