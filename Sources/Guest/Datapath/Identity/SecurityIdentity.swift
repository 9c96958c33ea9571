import DatapathModel
import KubeObjects
import ServedObjects

/// Identities that are derived from a pod's security-relevant labels. The same labels give the same number on every
/// node, without a coordinator.
///
/// An identity has 24 bits, because it travels as the VXLAN network identifier (RFC 7348, section 5). Numbers below 256
/// are reserved, and those above `Identity.labelRange` are for address ranges.
public enum SecurityIdentity {
    /// Returns a number in `Identity.labelRange`.
    public static func derive(from securityLabels: [String]) -> UInt32 { IdentityNumber.derive(from: securityLabels) }

    /// The identities that are not derived, with the labels by which policies select them.
    public static let reserved: [Identity: [String]] = [
        .host: ["reserved:host"], .world: ["reserved:world"], .unmanaged: ["reserved:unmanaged"],
        .health: ["reserved:health"], .initializing: ["reserved:init"], .remoteNode: ["reserved:remote-node"],
        .kubeAPIServer: ["reserved:kube-apiserver", "reserved:remote-node"],
    ]
}
