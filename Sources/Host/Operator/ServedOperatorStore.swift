import JSON
import KubeClient
import NetAddress
import ServedObjects

/// The operator's objects in an API server.
struct ServedOperatorStore: OperatorStore {
    let client: KubeClient

    func holders(within limit: Duration) async throws -> [RangeHolder] {
        let list = try await client.list(.ciliumNodes, within: limit) { octets -> RangeHolder in
            let value = try JSONText.value(of: octets)
            let node = try CiliumNode(value)
            return RangeHolder(
                name: node.metadata.name, ranges: node.podCIDRs, error: node.operatorError,
                created: value["metadata"]?["creationTimestamp"]?.text ?? "", version: node.metadata.resourceVersion)
        }
        // What it holds is not known, and must not be given to others.
        try Self.check(list, of: .ciliumNodes)
        return list.items
    }

    private static func check<Object: Sendable>(
        _ list: KubeList<Object>, of resource: KubeResource
    ) throws(OperatorError) {
        guard let first = list.unreadable.first else { return }
        throw OperatorError("\(resource.plural): \(list.unreadable.count) cannot be read: \(first)")
    }

    func give(_ range: IPv4CIDR, to holder: RangeHolder, within limit: Duration) async throws {
        let patch = JSONValue.object([
            "metadata": .object(["resourceVersion": .string(holder.version)]),
            "spec": .object(["ipam": .object(["podCIDRs": .array([.string(range.description)])])]),
        ])
        try await client.patch(.ciliumNodes, name: holder.name, .merge, KubeBody(patch), within: limit)
    }

    func say(_ error: String?, to holder: RangeHolder, within limit: Duration) async throws {
        let status = JSONValue.object(["error": error.map { .string($0) } ?? .null])
        let patch = JSONValue.object(["status": .object(["ipam": .object(["operator-status": status])])])
        try await client.patch(
            .ciliumNodes, name: holder.name, subresource: "status", .merge, KubeBody(patch), within: limit)
    }

    func inventory(within limit: Duration) async throws -> Inventory {
        async let identities = all(.ciliumIdentities, limit) { try CiliumIdentity($0) }
        async let endpoints = all(.ciliumEndpoints, limit) { try CiliumEndpoint($0) }
        async let ciliumNodes = all(.ciliumNodes, limit) { try CiliumNode($0).metadata }
        async let pods = all(.pods, limit, Self.owner)
        async let nodes = all(.nodes, limit, Self.owner)
        return Inventory(
            identities: try await identities, endpoints: try await endpoints, ciliumNodes: try await ciliumNodes,
            pods: try await pods, nodes: try await nodes)
    }

    /// - Throws: Also if an object cannot be read: what it says could be that another one is in use.
    private func all<Object: Sendable>(
        _ resource: KubeResource, _ limit: Duration, _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) async throws -> [Object] {
        let list = try await client.list(resource, resourceVersion: "0", within: limit, read: read)
        if resource != .ciliumIdentities { try Self.check(list, of: resource) }
        return list.items
    }

    private static func owner(_ octets: [UInt8]) throws -> Orphans.Owner {
        let head = try KubeObjectHead(of: octets)
        return Orphans.Owner(namespace: head.namespace, name: head.name, uid: head.uid)
    }

    func delete(_ kind: Collected, _ object: ObjectHead, within limit: Duration) async throws {
        let resource: KubeResource =
            switch kind {
            case .identity: .ciliumIdentities
            case .endpoint: .ciliumEndpoints
            case .node: .ciliumNodes
            }
        try await client.delete(
            resource, namespace: resource.isNamespaced ? object.namespace : nil, name: object.name, uid: object.uid,
            resourceVersion: object.resourceVersion, within: limit)
    }

    func changes() -> AsyncStream<StoreNews> {
        let reflector = Reflector(client, .ciliumNodes) { octets in try KubeObjectHead(of: octets).name }
        let (stream, continuation) = AsyncStream<StoreNews>.makeStream()
        let task = Task {
            for await update in reflector.updates() {
                switch update {
                case .listed, .added, .modified, .deleted, .unreadable: continuation.yield(.changed)
                case .disconnected(let reason): continuation.yield(.silent(reason))
                case .connected: continuation.yield(.silent(nil))
                }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }
}
