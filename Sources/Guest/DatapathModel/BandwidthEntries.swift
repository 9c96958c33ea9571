import CDatapathABI
import NetAddress

/// Key of `dp_bandwidth`: the address of a local pod.
public struct BandwidthKey: BitwiseCopyable, Sendable {
    private var abi: dp_address

    public init(_ address: IPv4Address) { abi = address.abi }

    public var address: IPv4Address { IPv4Address(networkByteOrder: abi.word.0) }
}

/// Value of `dp_bandwidth`.
public struct BandwidthEntry: BitwiseCopyable, Sendable {
    private var abi: dp_bandwidth

    /// - Parameter next: when the pod's last packet leaves, CLOCK_MONOTONIC, nanoseconds.
    public init(bytesPerSecond: UInt64, next: UInt64 = 0) {
        abi = dp_bandwidth(bytes_per_second: bytesPerSecond, next_ns: next)
    }

    public var bytesPerSecond: UInt64 { abi.bytes_per_second }
    public var next: UInt64 { abi.next_ns }
}
