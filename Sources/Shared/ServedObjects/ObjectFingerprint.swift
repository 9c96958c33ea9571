import Hashing
public import KubeObjects

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Short texts that tell states of objects apart: those of two programs are equal when both know the object in the
/// same state, as far as they read objects at all. A change that is in no field of the kind's type leaves it as it is.
public enum ObjectFingerprint {
    /// The fingerprint of an object: 16 hexadecimal digits.
    public static func of(_ object: some KubeObject) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // An object that was read can be written. One that cannot is like none that can.
        guard let text = try? encoder.encode(object) else { return "unwritable" }
        let digits = String(FNV1a64.hash(text), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension ClusterObjects {
    /// The fingerprints of a kind's objects, by `namespace/name`.
    public func fingerprints(_ kind: ObjectKind) -> [String: String] { fingerprints(of: kind.type) }

    private func fingerprints<Object: KubeObject>(of type: Object.Type) -> [String: String] {
        let pairs = self[keyPath: Object.table].map { ($0.description, ObjectFingerprint.of($1)) }
        return Dictionary(pairs) { first, _ in first }
    }
}
