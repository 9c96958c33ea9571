public import KubeClient
public import KubeObjects
import LinuxKernel
public import ServedObjects
import Synchronization

/// An endpoint of the agent's node as the agent knows it.
public struct LocalEndpoint: Sendable, Hashable {
    public var key: ObjectKey
    public var id: UInt16
    public var identity: UInt32
    public var labels: [String]
    public var address: String
    /// The uid of the pod's object; nil while the agent has not seen the object.
    public var podUID: String?

    public init(
        key: ObjectKey, id: UInt16, identity: UInt32, labels: [String], address: String, podUID: String?
    ) {
        self.key = key
        self.id = id
        self.identity = identity
        self.labels = labels
        self.address = address
        self.podUID = podUID
    }

    /// The endpoint as if its pod had not been seen, so that its object is left as it is.
    public var withoutPod: LocalEndpoint {
        var endpoint = self
        endpoint.podUID = nil
        return endpoint
    }

    /// What the server should have of it.
    func served(node: String, podUID: String) -> CiliumEndpoint {
        CiliumEndpoint(
            metadata: ObjectHead(
                name: key.name, namespace: key.namespace,
                owner: OwnerReference(kind: "Pod", name: key.name, uid: podUID)),
            id: Int64(id), identity: identity, labels: labels, addresses: [address], node: node)
    }
}

/// Keeps the objects of a node's endpoints at the API server as the endpoints are: creates, changes and deletes them,
/// and mends what an earlier agent left or somebody else changed.
public actor EndpointWriter {
    /// How long one request may take.
    static let patience = Duration.seconds(10)
    /// How long what was written counts until the watch shows it.
    private static let overlayTime = Duration.seconds(30)

    private let client: KubeClient
    private let nodeAddress: String
    private var written: [ObjectKey: (endpoint: CiliumEndpoint, time: MonotonicTime)] = [:]

    public init(_ client: KubeClient, nodeAddress: String) {
        self.client = client
        self.nodeAddress = nodeAddress
    }

    /// Brings the server's objects in line.
    ///
    /// - Parameters:
    ///   - local: All endpoints of the node. One whose pod was not seen yet is left as it is.
    ///   - served: The server's objects as the watch showed them last.
    /// - Returns: What could not be done, by endpoint; empty if everything is as it should be.
    public func reconcile(
        _ local: [LocalEndpoint], served: [ObjectKey: CiliumEndpoint]
    ) async -> [ObjectKey: String] {
        let now = MonotonicTime.now
        let newest = served.values.map(\.version).max() ?? 0
        for (key, entry) in written {
            // A watch that has shown a later version of another object has shown this one, too: it is gone by now.
            let isShown = served[key].map { $0.version >= entry.endpoint.version } ?? (newest > entry.endpoint.version)
            if isShown || now.since(entry.time) > Self.overlayTime { written[key] = nil }
        }
        var failures: [ObjectKey: String] = [:]
        let wanted = Dictionary(local.map { ($0.key, $0) }) { $0.id > $1.id ? $0 : $1 }
        for (key, endpoint) in wanted.sorted(by: { $0.key < $1.key }) {
            guard let uid = endpoint.podUID else { continue }
            let object = endpoint.served(node: nodeAddress, podUID: uid)
            let present = written[key]?.endpoint ?? served[key]
            if present?.says(object) == true { continue }
            do {
                try await write(object, over: present)
            } catch {
                failures[key] = "\(error)"
                // The other requests would fail as well.
                if (error as? KubeClientError)?.status == nil { return failures }
            }
        }
        let known = served.merging(written.mapValues(\.endpoint)) { $1 }
        for (key, object) in known where object.node == nodeAddress && wanted[key] == nil {
            do {
                try await delete(object)
                written[key] = nil
            } catch {
                failures[key] = "\(error)"
                if (error as? KubeClientError)?.status == nil { return failures }
            }
        }
        return failures
    }

    private func write(_ object: CiliumEndpoint, over present: CiliumEndpoint?) async throws {
        let (name, namespace) = (object.metadata.name, object.metadata.namespace)
        var present = present
        if present == nil {
            do {
                return keep(
                    try await client.create(
                        .ciliumEndpoints, namespace: namespace, KubeBody(object.json), within: Self.patience))
            } catch KubeClientError.refused(let status) where status.alreadyExists {
                present = try CiliumEndpoint(
                    try await client.ask(
                        KubeRequest(path: KubeResource.ciliumEndpoints.path(namespace: namespace, name: name)),
                        within: Self.patience
                    ).octets)
            }
        }
        guard let present else { return }
        guard present.metadata.owner?.uid == object.metadata.owner?.uid else {
            // It is that of an earlier pod of this name, with which the server's collector would take it away.
            try await delete(present)
            return keep(
                try await client.create(
                    .ciliumEndpoints, namespace: namespace, KubeBody(object.json), within: Self.patience))
        }
        do {
            keep(
                try await client.patch(
                    .ciliumEndpoints, namespace: namespace, name: name, .merge,
                    KubeBody(.object(["status": object.status])), within: Self.patience))
        } catch KubeClientError.refused(let status) where status.isNotFound {
            keep(
                try await client.create(
                    .ciliumEndpoints, namespace: namespace, KubeBody(object.json), within: Self.patience))
        }
    }

    private func keep(_ body: KubeBody) {
        guard let object = try? CiliumEndpoint(body.octets) else { return }
        written[object.key] = (object, .now)
    }

    /// Deletes exactly the object that was seen. That it is gone already, or another one has its name, is no failure.
    private func delete(_ object: CiliumEndpoint) async throws {
        do {
            try await client.delete(
                .ciliumEndpoints, namespace: object.metadata.namespace, name: object.metadata.name,
                uid: object.metadata.uid.isEmpty ? nil : object.metadata.uid, within: Self.patience)
        } catch KubeClientError.refused(let status) where status.isNotFound || status.isConflict {}
    }
}

extension CiliumEndpoint {
    /// The resource version as a number, as servers make them.
    fileprivate var version: UInt64 { UInt64(metadata.resourceVersion) ?? 0 }

    /// Whether it tells of the same endpoint of the same pod.
    func says(_ other: CiliumEndpoint) -> Bool {
        id == other.id && identity == other.identity && labels == other.labels && addresses == other.addresses
            && node == other.node && state == other.state && metadata.owner?.uid == other.metadata.owner?.uid
    }
}
