import Kubelet

/// The memory that a node must have left (`evictionHard` of a kubelet's configuration, signal `memory.available`).
enum EvictionThreshold {
    /// A kubelet's own.
    static let usual: Int64 = 100 << 20
    /// Virtual nodes are so small that they never have as much left. They take this share of their memory, in percent.
    static let usualShare: Int64 = 5

    /// Returns bytes, of a quantity (`100Mi`) or a share of the machine's memory (`5%`); what cannot be read counts as
    /// nothing said.
    static func bytes(_ text: String?, of memory: Int64) -> Int64 {
        let usual = min(usual, max(0, memory) / 100 * usualShare)
        guard let text else { return usual }
        if text.hasSuffix("%") {
            guard let share = Double(text.dropLast()), (0...100).contains(share) else { return usual }
            return Int64(Double(max(0, memory)) * share / 100)
        }
        guard let quantity = Quantity(text), quantity.milli >= 0 else { return usual }
        return quantity.value
    }
}
