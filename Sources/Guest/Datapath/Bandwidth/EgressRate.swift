/// The rate of the annotation `kubernetes.io/egress-bandwidth`: a Kubernetes quantity of bits per second.
package struct EgressRate: Sendable, Hashable {
    package static let annotation = "kubernetes.io/egress-bandwidth"
    /// This annotation has no effect, because a packet that arrives at a node has crossed the network already.
    static let ingressAnnotation = "kubernetes.io/ingress-bandwidth"
    /// The limits of kubelet: 1 kbit/s to 1 Pbit/s.
    private static let bounds = 1e3...1e15

    private static let suffixes: [(text: String, factor: Double)] = [
        ("Ki", 1024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("Ti", 1_099_511_627_776), ("k", 1e3), ("M", 1e6),
        ("G", 1e9), ("T", 1e12), ("P", 1e15), ("m", 1e-3), ("", 1),
    ]

    let bitsPerSecond: UInt64
    var bytesPerSecond: UInt64 { bitsPerSecond / 8 }

    /// Reads `10M`, `1.5G`, `64Ki`, `2500000`. Returns nil for a text that is no quantity, or one outside of kubelet's
    /// limits.
    init?(quantity text: String) {
        for (suffix, factor) in Self.suffixes where text.hasSuffix(suffix) {
            let digits = text.dropLast(suffix.count)
            let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count), parts.allSatisfy({ $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }),
                parts.contains(where: { !$0.isEmpty }), digits.utf8.count <= 18,
                let number = Double("0" + digits + (digits.hasSuffix(".") ? "0" : "")),
                Self.bounds.contains(number * factor)
            else { return nil }
            bitsPerSecond = UInt64((number * factor).rounded())
            return
        }
        return nil
    }
}
