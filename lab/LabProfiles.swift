/// The lab profiles that ship, embedded in the executable: `lab/profiles/*.yaml`.
public enum LabProfiles {
    /// A new file is one more line here.
    private static let files: [(name: String, bytes: [UInt8])] = [
        ("bare-metal", PackageResources.bare_metal_yaml),
        ("cce-eni", PackageResources.cce_eni_yaml),
        ("cce-overlay-l2", PackageResources.cce_overlay_l2_yaml),
        ("eks-clients", PackageResources.eks_clients_yaml),
        ("eks-control-plane", PackageResources.eks_control_plane_yaml),
        ("eks-eni", PackageResources.eks_eni_yaml),
        ("eks-overlay", PackageResources.eks_overlay_yaml),
        ("eks-routed-pods", PackageResources.eks_routed_pods_yaml),
        ("two-networks", PackageResources.two_networks_yaml),
    ]

    /// Names, sorted.
    public static var names: [String] { files.map(\.name) }

    /// The file's bytes; nil when there is none of this name.
    public static func bytes(of name: String) -> [UInt8]? {
        files.first { $0.name == name }?.bytes
    }
}
