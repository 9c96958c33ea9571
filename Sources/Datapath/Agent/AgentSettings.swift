import AgentAPI
import DatapathOptions
import NetAddress

/// `AgentConfig` with its texts read and checked.
struct AgentSettings: Sendable {
    let config: AgentConfig
    let nodeAddress: IPv4Address
    let podCIDR: IPv4CIDR
    let clusterPodCIDR: IPv4CIDR
    let masquerade: MasqueradePlan
    var options: DatapathOptions { config.options }

    /// - Throws: `DatapathError.invalidConfiguration` that names the field.
    init(_ config: AgentConfig) throws(DatapathError) {
        guard let nodeAddress = IPv4Address(config.nodeAddress) else {
            throw .invalidConfiguration("nodeAddress: not an IPv4 address: \"\(config.nodeAddress)\"")
        }
        guard let podCIDR = IPv4CIDR(config.podCIDR) else {
            throw .invalidConfiguration("podCIDR: not an address range: \"\(config.podCIDR)\"")
        }
        guard let clusterPodCIDR = IPv4CIDR(config.clusterPodCIDR), clusterPodCIDR.prefixLength >= 1 else {
            throw .invalidConfiguration("clusterPodCIDR: not an address range: \"\(config.clusterPodCIDR)\"")
        }
        guard clusterPodCIDR.contains(podCIDR) else {
            throw .invalidConfiguration("podCIDR \(podCIDR) is not part of clusterPodCIDR \(clusterPodCIDR)")
        }
        guard !clusterPodCIDR.contains(nodeAddress) else {
            throw .invalidConfiguration("nodeAddress \(nodeAddress) lies in clusterPodCIDR \(clusterPodCIDR)")
        }
        guard CNIEnvironment.isInterfaceName(config.device) else {
            throw .invalidConfiguration("device: not an interface name: \"\(config.device)\"")
        }
        guard (576...65485).contains(config.podMTU) else {
            throw .invalidConfiguration("podMTU: must be 576 to 65485, is \(config.podMTU)")
        }
        guard config.tunnelPort != 0 else { throw .invalidConfiguration("tunnelPort: must not be 0") }
        for (name, value) in config.values.sorted(by: { $0.key < $1.key }) {
            // An option that this datapath does not have must not be taken silently for granted.
            guard let mistake = OptionCatalogue.mistake(name: name, value: value) else { continue }
            throw .invalidConfiguration(
                mistake.description + (mistake.expected.map { "; supported is \($0)" } ?? ""))
        }
        self.config = config
        masquerade = try MasqueradePlan(config.options)
        self.nodeAddress = nodeAddress
        self.podCIDR = podCIDR.network
        self.clusterPodCIDR = clusterPodCIDR.network
    }

    func nodeEntry(pool: AddressPool) -> NodeEntry {
        NodeEntry(
            name: config.nodeName, address: config.nodeAddress, podCIDR: podCIDR.description,
            routerAddress: pool.router.description, healthAddress: pool.health.description)
    }
}
