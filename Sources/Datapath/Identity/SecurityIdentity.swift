/// Identities that are derived from a pod's security-relevant labels: the same labels give the same number on every
/// node, without a coordinator.
///
/// 24 bits, because an identity travels as the VXLAN network identifier (RFC 7348 section 5); below 256 are the reserved
/// ones.
public enum SecurityIdentity {
    public static let firstDerived: UInt32 = 256
    public static let count: UInt32 = 1 << 24

    /// Labels that change from replica to replica and therefore never take part, as in Cilium's default label filter.
    static let ignored: Set<String> = [
        "pod-template-hash", "controller-revision-hash", "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "controller-uid", "job-name", "batch.kubernetes.io/job-name",
    ]

    /// The labels an identity stands for, in canonical order: `k8s:app=web`, `k8s:io.kubernetes.pod.namespace=default`.
    public static func securityLabels(namespace: String, labels: [String: String]) -> [String] {
        var all = labels.filter { !ignored.contains($0.key) }.map { "k8s:\($0.key)=\($0.value)" }
        all.append("k8s:io.kubernetes.pod.namespace=\(namespace)")
        return all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// A number in 256 ..< 2^24. FNV-1a of 64 bits, labels ended by a zero octet, mixed as in MurmurHash3's finalizer so
    /// that the reduction to 24 bits uses every bit.
    public static func derive(from securityLabels: [String]) -> UInt32 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for label in securityLabels {
            for byte in label.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = hash &* 0x100_0000_01B3
        }
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ (hash >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        hash ^= hash >> 33
        return UInt32(hash % UInt64(count - firstDerived)) + firstDerived
    }
}

/// The derived identities in use on this node, with the labels each stands for.
public struct IdentityRegistry: Sendable {
    private var labels: [UInt32: (text: String, holders: Int)] = [:]

    public init() {}

    /// The identity of a label set, held until it is released as many times.
    ///
    /// - Throws: `DatapathError.identityCollision` when another label set has the number already.
    public mutating func acquire(_ securityLabels: [String]) throws(DatapathError) -> UInt32 {
        let identity = SecurityIdentity.derive(from: securityLabels)
        let text = securityLabels.joined(separator: ",")
        if let known = labels[identity], known.text != text {
            throw .identityCollision(identity: identity, labels: text, other: known.text)
        }
        labels[identity] = (text, (labels[identity]?.holders ?? 0) + 1)
        return identity
    }

    public mutating func release(_ identity: UInt32) {
        guard let known = labels[identity] else { return }
        labels[identity] = known.holders > 1 ? (known.text, known.holders - 1) : nil
    }
}
