/// The scenarios that ship, embedded in the executable: `scenarios/*.yaml`.
public enum ShippedScenarios {
    /// A new file is one more line here.
    private static let files: [(name: String, bytes: [UInt8])] = [
        ("agent-restart", PackageResources.agent_restart_yaml),
        ("api-server-outage", PackageResources.api_server_outage_yaml),
        ("cni-chaining", PackageResources.cni_chaining_yaml),
        ("eni-address-exhaustion", PackageResources.eni_address_exhaustion_yaml),
        ("eni-mode", PackageResources.eni_mode_yaml),
        ("eni-without-veth", PackageResources.eni_without_veth_yaml),
        ("identity-and-endpoint", PackageResources.identity_and_endpoint_yaml),
        ("ipam-kubernetes-without-podcidr", PackageResources.ipam_kubernetes_without_podcidr_yaml),
        ("kube-proxy-free", PackageResources.kube_proxy_free_yaml),
        ("kube-proxy-replacement-kernels", PackageResources.kube_proxy_replacement_kernels_yaml),
        ("kube-proxy-residue", PackageResources.kube_proxy_residue_yaml),
        ("link-flap", PackageResources.link_flap_yaml),
        ("lossy-underlay", PackageResources.lossy_underlay_yaml),
        ("masquerade-exclusions", PackageResources.masquerade_exclusions_yaml),
        ("missing-snat-dns", PackageResources.missing_snat_dns_yaml),
        ("multi-nic-devices", PackageResources.multi_nic_devices_yaml),
        ("network-policy-fqdn", PackageResources.network_policy_fqdn_yaml),
        ("network-policy-l3-l4", PackageResources.network_policy_l3_l4_yaml),
        ("network-policy-l7", PackageResources.network_policy_l7_yaml),
        ("node-crash", PackageResources.node_crash_yaml),
        ("node-joins", PackageResources.node_joins_yaml),
        ("routing-modes", PackageResources.routing_modes_yaml),
        ("vxlan-blocked-8472", PackageResources.vxlan_blocked_8472_yaml),
        ("vxlan-blocked-one-way", PackageResources.vxlan_blocked_one_way_yaml),
    ]

    /// Names, sorted.
    public static var names: [String] { files.map(\.name) }

    /// The file's bytes; nil when there is none of this name.
    public static func bytes(of name: String) -> [UInt8]? {
        files.first { $0.name == name }?.bytes
    }
}
