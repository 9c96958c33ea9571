import ServedObjects

/// Finds identities that no endpoint has had for two rounds.
struct UnusedIdentities {
    /// The uids of those that were unused in the last round.
    private var before: Set<String> = []

    /// - Parameters:
    ///   - used: The numbers that endpoints name.
    /// - Returns: The identities to delete.
    mutating func round(_ identities: [CiliumIdentity], used: Set<UInt32>) -> [CiliumIdentity] {
        let kept = used.union(Self.passedOver(identities, used: used))
        let unused = identities.filter { !kept.contains($0.number) }
        defer { before = Set(unused.map(\.metadata.uid)) }
        return unused.filter { before.contains($0.metadata.uid) }
    }

    /// The numbers that were other labels' when an identity in use was allocated. Without them, the same labels would
    /// get a second number on a node that does not know the first one.
    static func passedOver(_ identities: [CiliumIdentity], used: Set<UInt32>) -> Set<UInt32> {
        var passed: Set<UInt32> = []
        for identity in identities where used.contains(identity.number) {
            let candidates = IdentityNumber.candidates(of: identity.labels)
            guard let place = candidates.firstIndex(of: identity.number) else { continue }
            passed.formUnion(candidates[..<place])
        }
        return passed
    }
}
