import ServedObjects

/// Finds objects whose own object has been gone for two rounds: a CiliumEndpoint's pod, a CiliumNode's Node.
struct Orphans {
    /// A pod or a Node that there is.
    struct Owner: Sendable, Hashable {
        var namespace: String
        var name: String
        var uid: String
    }

    /// The uids of those that had nobody in the last round.
    private var before: Set<String> = []

    /// - Returns: The objects to delete.
    mutating func round(_ objects: [ObjectHead], owners: [Owner]) -> [ObjectHead] {
        let known = Dictionary(owners.map { ([$0.namespace, $0.name], $0.uid) }) { $1 }
        let alone = objects.filter { object in
            guard let uid = known[[object.namespace, object.name]] else { return true }
            // An object of the same name that came later is not the owner.
            guard let owner = object.owner, !owner.uid.isEmpty else { return false }
            return owner.uid != uid
        }
        defer { before = Set(alone.map(\.uid)) }
        return alone.filter { before.contains($0.uid) }
    }
}
