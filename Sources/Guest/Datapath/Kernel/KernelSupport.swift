import DatapathOptions

/// What becomes of the options on a given kernel. Each one stays as it is, or is given up with a message. It is pure.
struct KernelSupport: Sendable, Equatable {
    /// The options on which the agent acts.
    let options: DatapathOptions
    /// What was given up, one sentence each.
    let fallbacks: [String]

    private static let always: [KernelFeature] = [.ringbuf, .lpmTrie, .lruHash]
    private static let socketLB: [KernelFeature] = [
        .cgroupConnect4, .cgroupSendmsg4, .cgroupRecvmsg4, .cgroupGetpeername4, .netnsCookie,
    ]
    private static let nodePort: [KernelFeature] = [.fibLookup]

    /// - Throws: `DatapathError.kernelFeatureMissing`, which names the feature and the option that needs it. With
    ///   `kubeProxyReplacement: probe`, missing features for services are given up instead.
    init(_ options: DatapathOptions, on features: KernelFeatures) throws(DatapathError) {
        func missing(_ wanted: [KernelFeature]) -> KernelFeature? {
            wanted.first { !features.available.contains($0) }
        }
        if let feature = missing(Self.always) {
            throw .kernelFeatureMissing(feature.rawValue, neededBy: "the datapath")
        }
        var options = options
        var fallbacks: [String] = []
        let mode = options.kubeProxyReplacement
        if !mode.isOff, options.nodePort.enabled || mode.isComplete || mode == .probe,
            let feature = missing(Self.nodePort)
        {
            guard mode == .probe else {
                throw .kernelFeatureMissing(feature.rawValue, neededBy: "kubeProxyReplacement: \(mode.rawValue)")
            }
            options.kubeProxyReplacement = .false
            options.socketLB.enabled = false
            fallbacks.append(
                "kubeProxyReplacement: probe falls back to kube-proxy: kernel feature missing: \(feature.rawValue)")
        }
        let wantsSocketLB =
            options.socketLB.enabled || options.kubeProxyReplacement == .strict
            || options.kubeProxyReplacement == .probe
        if !options.kubeProxyReplacement.isOff, wantsSocketLB, let feature = missing(Self.socketLB) {
            guard mode == .probe else {
                throw .kernelFeatureMissing(
                    feature.rawValue, neededBy: "kubeProxyReplacement: \(mode.rawValue) (socketLB.enabled)")
            }
            options.socketLB.enabled = false
            fallbacks.append(
                "kubeProxyReplacement: probe serves packet by packet, and kube-proxy the node's own sockets: "
                    + "kernel feature missing: \(feature.rawValue)")
        }
        self.options = options
        self.fallbacks = fallbacks
    }
}
