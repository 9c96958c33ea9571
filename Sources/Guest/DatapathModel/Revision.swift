import BPF
import LinuxKernel

extension Map where Key == UInt32, Value == UInt32 {
    /// Raises the number in `dp_revision`, which outlives agents. There is one writer at a time.
    public func raise() throws(SystemError) { try update((try value(for: 0) ?? 0) &+ 1, for: 0) }
}
