import DatapathModel
import DatapathOptions
import NetAddress
import Netlink

/// The masquerade that the options ask for: by what means, and for which destinations pods keep their address. It is
/// pure.
struct MasqueradePlan: Sendable, Hashable {
    enum Way: Sendable, Hashable {
        /// `enableIPv4Masquerade: false`: pods keep their address.
        case off
        /// `bpf.masquerade: true`
        case bpf
        /// With `bpf.masquerade: false`, the kernel's own masquerade is used, through an nf_tables table.
        case netfilter
    }

    let way: Way
    /// The ranges towards which pods keep their address, each with the reason.
    let exclusions: [IPv4CIDR: MasqueradeExclusion]
    /// For `.netfilter`, the interfaces. A trailing `+` matches any suffix.
    let interfaces: [String]
    /// Says whether packets to other nodes are masqueraded. Under a tunnel they are, since nodes are reached outside of
    /// the tunnel, where the network does not know pods. Cilium does the same.
    let remoteNodesAreOutside: Bool

    /// The ranges that `ipMasqAgent` excludes if its configuration names none: private, shared, benchmark,
    /// documentation and reserved ranges, as in ip-masq-agent.
    static let defaultNonMasquerade = [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    ]
    private static let linkLocal = "169.254.0.0/16"

    /// - Throws: `DatapathError.invalidConfiguration` for options that exclude each other, and for malformed ranges.
    init(_ options: DatapathOptions) throws(DatapathError) {
        way = !options.enableIPv4Masquerade ? .off : options.bpf.masquerade ? .bpf : .netfilter
        guard way != .bpf || options.egressMasqueradeInterfaces.isEmpty else {
            throw .invalidConfiguration(
                "egressMasqueradeInterfaces is for masquerade by iptables; with bpf.masquerade, devices says where")
        }
        var exclusions: [IPv4CIDR: MasqueradeExclusion] = [:]
        if options.ipMasqAgent.enabled {
            guard way != .netfilter else {
                throw .invalidConfiguration("ipMasqAgent.enabled needs bpf.masquerade: true")
            }
            let config = options.ipMasqAgent.config
            var ranges = config.nonMasqueradeCIDRs.isEmpty ? Self.defaultNonMasquerade : config.nonMasqueradeCIDRs
            if !config.masqLinkLocal { ranges.append(Self.linkLocal) }
            for range in ranges {
                exclusions[try Self.range(range, of: "ipMasqAgent.config.nonMasqueradeCIDRs")] = .nonMasquerade
            }
        }
        if !options.ipv4NativeRoutingCIDR.isEmpty {
            exclusions[try Self.range(options.ipv4NativeRoutingCIDR, of: "ipv4NativeRoutingCIDR")] = .nativeRouting
        }
        self.exclusions = way == .off ? [:] : exclusions
        interfaces = options.egressMasqueradeInterfaces
        remoteNodesAreOutside = options.routingMode == .tunnel
    }

    private static func range(_ text: String, of option: String) throws(DatapathError) -> IPv4CIDR {
        guard let range = IPv4CIDR(text) else {
            throw .invalidConfiguration("\(option): not an address range: \"\(text)\"")
        }
        return range.network
    }

    static let tableName = "labrun_masquerade"

    /// Returns the table for `.netfilter`, or nil for the other means.
    ///
    /// - Parameters:
    ///   - pods: This node's pod range.
    ///   - clusters: The ranges of all nodes' pods.
    ///   - node: This node's address.
    ///   - others: The addresses of the cluster's other nodes.
    func table(pods: IPv4CIDR, clusters: [IPv4CIDR], node: IPv4Address, others: [IPv4Address]) -> MasqueradeTable? {
        guard way == .netfilter else { return nil }
        let nodes = [node] + (remoteNodesAreOutside ? [] : others)
        return MasqueradeTable(
            name: Self.tableName, source: pods,
            exclusions: clusters + exclusions.keys.sorted() + Set(nodes).sorted().map { IPv4CIDR(host: $0) },
            interfaces: interfaces.map { name in
                name.hasSuffix("+") ? .prefix(String(name.dropLast())) : .named(name)
            })
    }

    /// In the manner of `cilium status`: `BPF [eth0, eth1] 192.168.0.0/16 [IPv4: Enabled, IPv6: Disabled]`.
    func summary(devices: [NodeDevice], clusters: [IPv4CIDR]) -> String {
        switch way {
        case .off: "Disabled"
        case .netfilter: "IPTables [IPv4: Enabled, IPv6: Disabled]"
        case .bpf:
            "BPF [\(devices.map(\.name).joined(separator: ", "))] "
                + (clusters + exclusions.keys.sorted()).map(\.description).joined(separator: ", ")
                + " [IPv4: Enabled, IPv6: Disabled]"
        }
    }
}
