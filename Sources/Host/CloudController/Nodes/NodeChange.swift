import JSON

/// Labels, taints and more that a node is to have besides what it has.
public struct NodeChange: Sendable, Hashable {
    public let node: ObjectName
    let resourceVersion: String
    let taints: [Taint]
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var addedTaints: [Taint] = []
    public var removedTaints: [Taint] = []
    /// Set only where the node has none: it cannot be changed.
    public var providerID = ""
    /// The claim that owns the node.
    public var owner: ObjectName?

    init(_ node: KubeNode) {
        self.node = node.name
        resourceVersion = node.resourceVersion
        taints = node.taints
    }

    private var newTaints: [Taint] {
        let kept = taints.filter { taint in !removedTaints.contains { $0.isSame(as: taint) } }
        return kept + addedTaints.filter { taint in !kept.contains { $0.isSame(as: taint) } }
    }

    /// Whether the node is as it should be already.
    func isEmpty(for node: KubeNode) -> Bool {
        labels.allSatisfy { node.labels[$0.key] == $0.value }
            && annotations.allSatisfy { node.annotations[$0.key] == $0.value } && newTaints == node.taints
            && (providerID.isEmpty || !node.providerID.isEmpty)
    }

    /// A merge patch. If the taints change, the node must be as it was when it was read, or it is a conflict: another
    /// controller may have taken a taint off meanwhile.
    var patch: JSONValue {
        var metadata: [String: JSONValue] = [:]
        if !labels.isEmpty { metadata["labels"] = .object(labels.mapValues { .string($0) }) }
        if !annotations.isEmpty { metadata["annotations"] = .object(annotations.mapValues { .string($0) }) }
        if let owner {
            metadata["ownerReferences"] = .array([
                .object([
                    "apiVersion": .string("karpenter.sh/v1"), "kind": .string("NodeClaim"),
                    "name": .string(owner.name), "uid": .string(owner.uid), "blockOwnerDeletion": .bool(true),
                ])
            ])
        }
        var spec: [String: JSONValue] = [:]
        if newTaints != taints {
            spec["taints"] = newTaints.isEmpty ? .null : .array(newTaints.map(\.json))
            if !resourceVersion.isEmpty { metadata["resourceVersion"] = .string(resourceVersion) }
        }
        if !providerID.isEmpty { spec["providerID"] = .string(providerID) }
        var patch: [String: JSONValue] = [:]
        if !metadata.isEmpty { patch["metadata"] = .object(metadata) }
        if !spec.isEmpty { patch["spec"] = .object(spec) }
        return .object(patch)
    }
}
