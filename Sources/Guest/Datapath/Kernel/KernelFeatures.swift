import BPF
import DatapathOptions
import LinuxKernel

/// The features that this kernel has, of those that the datapath may need.
package struct KernelFeatures: Sendable, Equatable {
    /// The features that were found by trying and are not masked.
    package let available: Set<KernelFeature>
    /// The features that the kernel has, but that the lab wants treated as missing.
    let masked: Set<KernelFeature>

    /// Probes every feature of the running kernel.
    package static func probe(masking names: Set<KernelFeature>) throws(SystemError) -> KernelFeatures {
        var found: Set<KernelFeature> = []
        for feature in KernelFeature.allCases where try isSupported(feature) { found.insert(feature) }
        return KernelFeatures(found: found, masking: names)
    }

    init(found: Set<KernelFeature>, masking names: Set<KernelFeature>) {
        available = found.subtracting(names)
        masked = found.intersection(names)
    }

    /// Every feature by name: `available`, `missing` or `masked`.
    var states: [String: String] {
        Dictionary(
            uniqueKeysWithValues: KernelFeature.allCases.map {
                ($0.rawValue, available.contains($0) ? "available" : masked.contains($0) ? "masked" : "missing")
            })
    }

    private static func isSupported(_ feature: KernelFeature) throws(SystemError) -> Bool {
        switch feature {
        case .cgroupConnect4: try KernelProbe.supports(.connect4)
        case .cgroupSendmsg4: try KernelProbe.supports(.sendmsg4)
        case .cgroupRecvmsg4: try KernelProbe.supports(.recvmsg4)
        case .cgroupGetpeername4: try KernelProbe.supports(.getpeername4)
        case .netnsCookie: try KernelProbe.supports(.netnsCookieOfSocketAddress)
        case .fibLookup: try KernelProbe.supports(.fibLookup)
        case .skAssign: try KernelProbe.supports(.skAssign)
        case .lruHash: try KernelProbe.supports(.lruHash)
        case .lpmTrie: try KernelProbe.supports(.lpmTrie)
        case .ringbuf: try KernelProbe.supports(.ringbuf)
        }
    }
}
