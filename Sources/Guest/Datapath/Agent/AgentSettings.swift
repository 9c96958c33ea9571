import AgentAPI
import CloudAPI
import CNI
import DatapathModel
import DatapathOptions
import NetAddress

/// `AgentConfig` with its texts parsed and checked.
struct AgentSettings: Sendable {
    let config: AgentConfig
    let nodeAddress: IPv4Address
    let podCIDR: IPv4CIDR
    let clusterPodCIDRs: [IPv4CIDR]
    let routing: RoutingPlan
    let masquerade: MasqueradePlan
    var options: DatapathOptions { config.options }
    /// The features found on the kernel. The set is empty until the kernel was probed.
    var kernelFeatures = KernelFeatures(found: [], masking: [])
    /// With `ipam.mode: eni`, the answer of the cloud that the addresses come from.
    var start: FirstAddresses.Start?
    var instance: CloudInstance? { start?.instance }
    /// Says whether another plugin comes first and makes the pods' interfaces.
    var chains: Bool { options.cni.effectiveChainingMode == .genericVeth }
    /// What distinguishes this boot of the node from others; nil if that is not known.
    var bootID: String?
    /// A sentence for each option that was given up on this kernel.
    var fallbacks: [String] = []

    /// - Throws: `DatapathError.invalidConfiguration` that names the field.
    init(_ config: AgentConfig) throws(DatapathError) {
        guard let nodeAddress = IPv4Address(config.nodeAddress) else {
            throw .invalidConfiguration("nodeAddress: not an IPv4 address: \"\(config.nodeAddress)\"")
        }
        guard let podCIDR = IPv4CIDR(config.podCIDR) else {
            throw .invalidConfiguration("podCIDR: not an address range: \"\(config.podCIDR)\"")
        }
        var clusterPodCIDRs: [IPv4CIDR] = []
        for text in config.clusterPodCIDRs {
            guard let range = IPv4CIDR(text), range.prefixLength >= 1 else {
                throw .invalidConfiguration("clusterPodCIDRs: not an address range: \"\(text)\"")
            }
            guard !range.contains(nodeAddress) || config.options.ipam.mode == .eni else {
                throw .invalidConfiguration("nodeAddress \(nodeAddress) lies in clusterPodCIDRs \(range)")
            }
            clusterPodCIDRs.append(range.network)
        }
        guard (1...DatapathConfig.mostClusterRanges).contains(clusterPodCIDRs.count) else {
            throw .invalidConfiguration("clusterPodCIDRs: 1 to \(DatapathConfig.mostClusterRanges) ranges")
        }
        guard clusterPodCIDRs.contains(where: { $0.contains(podCIDR) }) else {
            throw .invalidConfiguration("podCIDR \(podCIDR) is not part of clusterPodCIDRs")
        }
        guard CNIEnvironment.isInterfaceName(config.device) else {
            throw .invalidConfiguration("device: not an interface name: \"\(config.device)\"")
        }
        for (name, value) in config.values.sorted(by: { $0.key < $1.key }) {
            // An option that this datapath does not have must not be accepted silently.
            guard let mistake = OptionCatalogue.mistake(name: name, value: value) else { continue }
            throw .invalidConfiguration(
                mistake.description + (mistake.expected.map { "; supported is \($0)" } ?? ""))
        }
        try Self.checkInterfaces(config.options)
        try Self.checkChaining(config.options)
        self.config = config
        masquerade = try MasqueradePlan(config.options)
        try Self.checkDirectReturn(config.options, masquerade)
        self.nodeAddress = nodeAddress
        self.podCIDR = podCIDR.network
        self.clusterPodCIDRs = clusterPodCIDRs
        routing = try RoutingPlan(config.options)
    }

    private static func checkDirectReturn(
        _ options: DatapathOptions, _ masquerade: MasqueradePlan
    ) throws(DatapathError) {
        let mode = options.loadBalancer.mode
        guard mode != .snat else { return }
        guard masquerade.way != .netfilter else {
            throw .invalidConfiguration(
                "loadBalancer.mode \(mode.rawValue) needs bpf.masquerade: true; the kernel's own masquerade would take "
                    + "answers, whose calls it did not see, for flows of the pods")
        }
    }

    private static func checkInterfaces(_ options: DatapathOptions) throws(DatapathError) {
        guard options.eni.enabled == (options.ipam.mode == .eni) else {
            throw .invalidConfiguration("eni.enabled: true and ipam.mode: eni need each other")
        }
        guard !options.eni.enabled || options.routingMode == .native else {
            throw .invalidConfiguration("eni.enabled: true needs routingMode: native")
        }
    }

    private static func checkChaining(_ options: DatapathOptions) throws(DatapathError) {
        guard options.cni.effectiveChainingMode == .genericVeth else { return }
        guard !options.cni.chainingTarget.isEmpty else {
            throw .invalidConfiguration(
                "cni.chainingMode: generic-veth needs cni.chainingTarget, the name of the CNI network to chain to")
        }
        guard options.ipam.mode != .eni else {
            throw .invalidConfiguration(
                "cni.chainingMode: generic-veth and ipam.mode: eni exclude each other: "
                    + "the plugin before gives the addresses")
        }
    }

    /// Returns the pool of the node's addresses at a start.
    func addresses() throws -> NodeAddresses {
        guard let start else { return .range(try AddressPool(podCIDR)) }
        return .interfaces(
            InterfacePool(
                start.instance, firstInterface: options.eni.nodeSpec.firstInterfaceIndex, router: start.router,
                health: start.health))
    }

    /// The devices that carry traffic to and from the outside. With the cloud's interfaces, these are all devices.
    var devicePatterns: [String] {
        options.devices.isEmpty && options.eni.enabled ? ["eth+"] : options.devices
    }

    func nodeEntry(pool: NodeAddresses) -> NodeEntry {
        NodeEntry(
            name: config.nodeName, address: config.nodeAddress, podCIDR: podCIDR.description,
            routerAddress: pool.router.description, healthAddress: pool.health.description)
    }
}
