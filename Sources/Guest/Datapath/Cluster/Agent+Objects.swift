import AgentAPI
import KubeObjects
import ServedObjects

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Agent {
    /// The part of a request about objects that is the same for every kind.
    private struct KindOnly: Codable, Sendable { let kind: ObjectKind }

    /// Handles `objects.set` and `objects.change`.
    func takeObjects(_ method: AgentMethod, _ line: [UInt8], _ outline: RequestOutline?) throws -> Acknowledgement {
        let request = ObjectRequest(isWhole: method == .setObjects, line: line, members: outline?.parameters)
        let kind = try kind(of: request)
        if ServiceMark.kinds.contains(kind) { try waitForServices() }
        switch kind {
        case .nodes: try take(\.nodes, request)
        case .namespaces: try take(\.namespaces, request)
        case .pods: try take(\.pods, request)
        case .services: try take(\.services, request)
        case .endpointSlices: try take(\.endpointSlices, request)
        case .networkPolicies: try take(\.networkPolicies, request)
        case .ciliumNetworkPolicies: try take(\.ciliumNetworkPolicies, request)
        }
        return Acknowledgement()
    }

    /// Handles `objects.list`.
    func fingerprints(_ listing: ObjectListing) throws -> [String: [String: String]] {
        let kinds = try listing.kinds.map { name throws(AgentError) in
            guard let kind = ObjectKind(rawValue: name) else {
                throw AgentError(code: "invalid-parameters", message: "no kind \"\(name.prefix(64))\"")
            }
            return kind
        }
        // Hashing many objects takes its time, for which nobody should wait: it is done on a copy, without the lock.
        let objects = try withServices { core in core.objects }
        return Dictionary(kinds.map { ($0.rawValue, objects.fingerprints($0)) }) { first, _ in first }
    }

    private struct ObjectRequest {
        /// True if the request has all objects of the kind, not only changes.
        let isWhole: Bool
        let line: [UInt8]
        let members: [String: Range<Int>]?
    }

    private func kind(of request: ObjectRequest) throws -> ObjectKind {
        if let range = request.members?["kind"],
            let kind = try? JSONReader.read(
                request.line[range], { reader throws(UnreadableValue) in try reader.string() }),
            let known = ObjectKind(rawValue: kind)
        {
            return known
        }
        return (try parameters(Data(request.line)) as KindOnly).kind
    }

    private func take<Object: KubeObject>(
        _ table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>, _ request: ObjectRequest
    ) throws {
        let given = request.members.flatMap { try? GivenObjects<Object>(request.line, $0) }
        let changes: ObjectChanges<Object>
        if request.isWhole {
            let set: ObjectSet<Object> =
                if let given { ObjectSet(given.items) } else { try parameters(Data(request.line)) }
            try Self.checkUnique(set.items)
            changes = try withCore { core in set.changes(from: core.objects[keyPath: table]) }
        } else {
            changes =
                if let given { ObjectChanges(given.items, removed: given.removed) } else {
                    try parameters(Data(request.line))
                }
            try Self.checkUnique(changes.items)
        }
        let texts = given?.texts(of: changes) ?? []
        try withCore { core in try core.take(changes, texts: texts, into: table) }
    }

    private static func checkUnique(_ items: [some KubeObject]) throws(AgentError) {
        var seen: Set<ObjectKey> = []
        for item in items where !seen.insert(item.key).inserted {
            throw AgentError(code: "invalid-parameters", message: "\(item.key) is given twice")
        }
    }
}

extension AgentCore {
    /// Takes over changes of objects: first to disk, then to memory, then to the kernel.
    ///
    /// - Parameter texts: The text of each item as it came, or none if that is not known.
    ///
    /// - Throws: `AgentError` `objects-not-applied` if a feature could not follow. The objects are known nevertheless.
    mutating func take<Object: KubeObject>(
        _ changes: ObjectChanges<Object>, texts: [ArraySlice<UInt8>] = [],
        into table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>
    ) throws {
        var delta = ObjectDelta()
        delta[Object.kind] = changes.effect(on: objects[keyPath: table])
        if !delta.isEmpty {
            try objectStore.append(changes, texts: texts, to: objects[keyPath: table])
            changes.apply(to: &objects[keyPath: table])
        }
        // A service changes with its slices.
        delta[.services].formUnion(features.services.slices.follow(delta[.endpointSlices], objects.endpointSlices))
        followObjects(delta)
        if !delta.isEmpty, ServiceMark.kinds.contains(Object.kind) { features.services.mark(self) }
        guard objectProblems.isEmpty else {
            let problems = objectProblems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            throw AgentError(code: "objects-not-applied", message: problems.joined(separator: "; "))
        }
    }
}
