import AgentAPI
import KubeObjects

/// Tells agents the cluster's objects, as an API server's watches do: every agent gets only what it does not know yet.
actor ObjectFeed {
    /// What an agent has acknowledged, by node.
    private var known: [String: ClusterObjects] = [:]
    /// The keys in requests that were not acknowledged. The agent may or may not have these objects.
    private var uncertain: [String: ObjectDelta] = [:]
    /// The number of objects in one request. A slice of 100 endpoints is about 15 kB, and an agent accepts 4 MiB.
    private static let itemsPerRequest = 100

    /// The node starts anew, so its agent knows nothing.
    func forget(_ node: String) {
        known[node] = nil
        uncertain[node] = nil
    }

    /// - Throws: The `LabError` of the first request that failed. What was acknowledged before is not sent again.
    func push(_ objects: ClusterObjects, to node: ClusterNode, within deadline: Duration) async throws {
        try await push(\.nodes, objects, node, deadline)
        try await push(\.namespaces, objects, node, deadline)
        try await push(\.pods, objects, node, deadline)
        try await push(\.services, objects, node, deadline)
        try await push(\.endpointSlices, objects, node, deadline)
        try await push(\.networkPolicies, objects, node, deadline)
        try await push(\.ciliumNetworkPolicies, objects, node, deadline)
    }

    private func push<Object: KubeObject>(
        _ table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>, _ objects: ClusterObjects, _ node: ClusterNode,
        _ deadline: Duration
    ) async throws {
        let wanted = objects[keyPath: table]
        let has = known[node.name]?[keyPath: table] ?? [:]
        let unsure = uncertain[node.name]?[Object.kind] ?? []
        let items = wanted.values.filter { has[$0.key] != $0 || unsure.contains($0.key) }.sorted { $0.key < $1.key }
        let removed = Set(has.keys).union(unsure).filter { wanted[$0] == nil }.sorted()
        var rest = items[...]
        var isFirst = true
        while isFirst && !removed.isEmpty || !rest.isEmpty {
            let changes = ObjectChanges(Array(rest.prefix(Self.itemsPerRequest)), removed: isFirst ? removed : [])
            let keys = Set(changes.items.map(\.key) + changes.removed)
            uncertain[node.name, default: ObjectDelta()][Object.kind].formUnion(keys)
            _ = try await node.agent(.changeObjects, changes, as: Acknowledgement.self, within: deadline)
            _ = changes.apply(to: &known[node.name, default: ClusterObjects()][keyPath: table])
            uncertain[node.name]?[Object.kind].subtract(keys)
            rest = rest.dropFirst(Self.itemsPerRequest)
            isFirst = false
        }
    }
}
