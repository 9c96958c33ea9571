/// What goes into a node image besides the guest binaries. Equal recipes and equal inputs give equal images.
public struct ImageRecipe: Sendable, Codable, Equatable {
    public let series: KernelSeries
    /// The names of the modules that a node loads at boot. Each comes after those that it depends on. A module that is
    /// built into the kernel counts as loaded. The build fails for a module that the kernel lacks.
    public let modules: [String]
    /// The names of the modules that are in the node and are loaded when the kernel asks for them (`modprobe`). What
    /// they depend on is added. A name that the kernel lacks fails the build here, too.
    public let modulesOnDemand: [String]
    /// Whether the node has `labverify`, which checks and measures the datapath. The nodes of labs do without it,
    /// because all that an image holds lies in a node's RAM.
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

    /// The version counts up with every change to the layout of the image or to how the kernel is prepared.
    static let version = 4

    /// The driver of the link to the lab host comes first, so that a node that fails at a later module can still report
    /// it.
    public static let standardModules = [
        "virtio_pci", "virtio_console", "virtio_net",
        "veth", "vxlan", "geneve", "sch_ingress", "cls_bpf", "sch_netem", "sch_fq",
        // For masquerading by the kernel itself.
        "nf_tables", "nf_conntrack", "nft_chain_nat", "nft_masq",
    ]

    /// The modules that iptables, nftables, tc and the userland disk need. A lab that uses none of them boots as fast
    /// as without them, because they are only files in the node's RAM.
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
        // for evidence from conntrack
        "nf_conntrack_netlink",
        // for devices and queueing disciplines that benches and faults compare with
        "bridge", "br_netfilter", "dummy", "ifb", "sch_htb", "sch_tbf", "ipip", "ip_gre", "tun",
        // sockets: ss(8), tcpdump(8)
        "inet_diag", "tcp_diag", "udp_diag", "af_packet_diag",
    ]
}
