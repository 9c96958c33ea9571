import DatapathModel
import Hashing
import KubeObjects

/// Identities that are derived from a pod's security-relevant labels. The same labels give the same number on every
/// node, without a coordinator.
///
/// An identity has 24 bits, because it travels as the VXLAN network identifier (RFC 7348, section 5). Numbers below 256
/// are reserved, and those above `Identity.labelRange` are for address ranges.
public enum SecurityIdentity {
    /// Returns a number in `Identity.labelRange`: FNV-1a of 64 bits over the labels, each followed by a zero byte. The
    /// finalizer of MurmurHash3 mixes it, so that every bit counts in the reduction.
    public static func derive(from securityLabels: [String]) -> UInt32 {
        var labels = FNV1a64()
        for label in securityLabels {
            labels.combine(label.utf8)
            labels.combine(0)
        }
        var hash = labels.value
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ (hash >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        hash ^= hash >> 33
        return UInt32(hash % UInt64(Identity.labelRange.count)) + Identity.labelRange.lowerBound
    }

    /// The identities that are not derived, with the labels by which policies select them.
    public static let reserved: [Identity: [String]] = [
        .host: ["reserved:host"], .world: ["reserved:world"], .unmanaged: ["reserved:unmanaged"],
        .health: ["reserved:health"], .initializing: ["reserved:init"], .remoteNode: ["reserved:remote-node"],
        .kubeAPIServer: ["reserved:kube-apiserver", "reserved:remote-node"],
    ]
}
