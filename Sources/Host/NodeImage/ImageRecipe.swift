/// What goes into a node image besides the guest binaries. Equal recipes and equal inputs give equal images.
public struct ImageRecipe: Sendable, Codable, Equatable {
    public let series: KernelSeries
    /// Modules that a node loads at boot, by name, in this order, each after what it depends on.
    /// A name that the kernel has built in is fine; one that it lacks fails the build.
    public let modules: [String]
    /// Modules that the node has at hand and loads when the kernel asks for them (`modprobe`), by name, with what they
    /// depend on. The same rule for a name.
    public let modulesOnDemand: [String]
    /// Whether the node has `labverify`, which checks and measures the datapath. Nodes of labs do without: all that an
    /// image holds lies in a node's RAM.
    public let hasChecks: Bool

    public init(
        series: KernelSeries, modules: [String] = ImageRecipe.standardModules,
        modulesOnDemand: [String] = ImageRecipe.standardModulesOnDemand, hasChecks: Bool = false
    ) {
        self.series = series
        self.modules = modules
        self.modulesOnDemand = modulesOnDemand
        self.hasChecks = hasChecks
    }

    /// Counts up with every change to the layout of the image or to how the kernel is prepared.
    static let version = 4

    /// The link to the lab host comes first, so that a node that fails on a later module can still tell.
    public static let standardModules = [
        "virtio_pci", "virtio_console", "virtio_net",
        "veth", "vxlan", "geneve", "sch_ingress", "cls_bpf", "sch_netem", "sch_fq",
        // Masquerade by the kernel itself.
        "nf_tables", "nf_conntrack", "nft_chain_nat", "nft_masq",
    ]

    /// What iptables, nftables, tc and the userland disk ask for. In the node's RAM as files only: a lab that uses none
    /// of it boots as fast as without.
    public static let standardModulesOnDemand = [
        "virtio_blk", "squashfs", "overlay",
        // nftables
        "nf_tables", "nft_chain_nat", "nft_masq", "nft_nat", "nft_redir", "nft_ct", "nft_reject_inet",
        "nft_reject_ipv4", "nft_fib_ipv4", "nft_fib_inet", "nft_log", "nft_limit", "nft_hash", "nft_numgen",
        "nft_compat", "nft_tproxy", "nft_socket",
        // iptables
        "ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "iptable_raw", "ipt_REJECT", "xt_addrtype",
        "xt_comment", "xt_conntrack", "xt_connmark", "xt_limit", "xt_mark", "xt_multiport", "xt_nat", "xt_owner",
        "xt_physdev", "xt_recent", "xt_set", "xt_socket", "xt_statistic", "xt_tcpudp", "xt_CT", "xt_LOG",
        "xt_MASQUERADE", "xt_NFLOG", "xt_REDIRECT", "xt_TPROXY",
        // conntrack as evidence
        "nf_conntrack_netlink",
        // devices and disciplines that benches and faults compare with
        "bridge", "br_netfilter", "dummy", "ifb", "sch_htb", "sch_tbf", "ipip", "ip_gre", "tun",
        // sockets: ss(8), tcpdump(8)
        "inet_diag", "tcp_diag", "udp_diag", "af_packet_diag",
    ]
}
