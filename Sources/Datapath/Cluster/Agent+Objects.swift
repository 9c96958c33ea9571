import AgentAPI
import KubeObjects

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Agent {
    /// What a request about objects has in every kind.
    private struct KindOnly: Codable, Sendable { let kind: ObjectKind }

    /// `objects.set` and `objects.change`.
    func takeObjects(_ method: AgentMethod, _ data: Data) throws -> Acknowledgement {
        let kind = (try parameters(data) as KindOnly).kind
        switch kind {
        case .nodes: try take(\.nodes, method, data)
        case .namespaces: try take(\.namespaces, method, data)
        case .pods: try take(\.pods, method, data)
        case .services: try take(\.services, method, data)
        case .endpointSlices: try take(\.endpointSlices, method, data)
        case .networkPolicies: try take(\.networkPolicies, method, data)
        case .ciliumNetworkPolicies: try take(\.ciliumNetworkPolicies, method, data)
        }
        return Acknowledgement()
    }

    private func take<Object: KubeObject>(
        _ table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>, _ method: AgentMethod, _ data: Data
    ) throws {
        let changes: ObjectChanges<Object>
        if method == .setObjects {
            let set: ObjectSet<Object> = try parameters(data)
            try Self.checkUnique(set.items)
            changes = try withCore { core in set.changes(from: core.objects[keyPath: table]) }
        } else {
            changes = try parameters(data)
            try Self.checkUnique(changes.items)
        }
        try withCore { core in try core.take(changes, into: table) }
    }

    private static func checkUnique(_ items: [some KubeObject]) throws(AgentError) {
        var seen: Set<ObjectKey> = []
        for item in items where !seen.insert(item.key).inserted {
            throw AgentError(code: "invalid-parameters", message: "\(item.key) is given twice")
        }
    }
}

extension AgentCore {
    /// Changes of objects: first written down, then known, then into the kernel.
    ///
    /// - Throws: `AgentError` `objects-not-applied` when a consumer could not follow; the objects are known all the same.
    mutating func take<Object: KubeObject>(
        _ changes: ObjectChanges<Object>, into table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>
    ) throws {
        var known = objects[keyPath: table]
        let changed = changes.apply(to: &known)
        var delta = ObjectDelta()
        delta[Object.kind] = changed
        if !changed.isEmpty {
            try objectStore.append(changes, known: known)
            objects[keyPath: table] = known
        }
        reconcileObjects(delta)
        guard objectProblems.isEmpty else {
            let problems = objectProblems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            throw AgentError(code: "objects-not-applied", message: problems.joined(separator: "; "))
        }
    }
}
