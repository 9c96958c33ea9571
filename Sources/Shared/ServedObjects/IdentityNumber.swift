import CDatapathABI
import Hashing

/// The numbers that a set of security labels may have as its identity.
///
/// An identity has 24 bits, because it travels as the VXLAN network identifier (RFC 7348, section 5). Numbers below 256
/// are reserved, and those above the range are for address ranges.
public enum IdentityNumber {
    /// The numbers that sets of labels may have.
    public static let range = UInt32(DP_IDENTITY_FIRST_LABEL)...UInt32(DP_IDENTITY_LAST_LABEL)
    /// How many numbers one set of labels may try.
    public static let mostCandidates = 64

    /// Returns a number in the range: FNV-1a of 64 bits over the labels, each followed by a zero byte. The finalizer of
    /// MurmurHash3 mixes it, so that every bit counts in the reduction.
    ///
    /// - Parameter labels: In canonical order: `k8s:app=web`, …
    public static func derive(from labels: [String]) -> UInt32 {
        var hashed = FNV1a64()
        for label in labels {
            hashed.combine(label.utf8)
            hashed.combine(0)
        }
        var hash = hashed.value
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ (hash >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        hash ^= hash >> 33
        return UInt32(hash % UInt64(range.count)) + range.lowerBound
    }

    /// Returns the numbers that are tried one after the other where several sets of labels derive one: the derived one
    /// and those after it, round the range.
    public static func candidates(of labels: [String]) -> [UInt32] {
        let first = derive(from: labels) - range.lowerBound
        return (0..<UInt32(mostCandidates)).map { (first + $0) % UInt32(range.count) + range.lowerBound }
    }
}
