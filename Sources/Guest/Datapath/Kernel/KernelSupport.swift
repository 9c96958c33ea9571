import DatapathOptions

/// What the options come to on a kernel: they stay as they are, or something is given up and said so; pure.
struct KernelSupport: Sendable, Equatable {
    /// What the agent acts on.
    let options: DatapathOptions
    /// What was given up, a sentence each; empty when nothing was.
    let fallbacks: [String]

    private static let always: [KernelFeature] = [.ringbuf, .lpmTrie, .lruHash]
    private static let socketLB: [KernelFeature] = [
        .cgroupConnect4, .cgroupSendmsg4, .cgroupRecvmsg4, .cgroupGetpeername4, .netnsCookie,
    ]
    private static let nodePort: [KernelFeature] = [.fibLookup]

    /// - Throws: `DatapathError.kernelFeatureMissing` that names the feature and the option that needs it; with
    ///   `kubeProxyReplacement: probe` what is missing for services is given up instead.
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
