import KubeObjects
import NetAddress
import Scenario

/// The cluster's objects as an API server would have them: those of manifests, completed, and those that are derived
/// from them.
public struct ClusterStore: Sendable {
    /// Services, policies, namespaces and slices that were applied, with what was allocated for them.
    public private(set) var applied = ClusterObjects()
    private var allocation: ServiceAllocation
    /// The network of the services' addresses.
    let serviceRange: IPv4CIDR

    /// - Parameter serviceRange: The network of the services' addresses.
    public init(serviceRange: IPv4CIDR) {
        self.serviceRange = serviceRange
        allocation = ServiceAllocation(range: serviceRange)
    }

    /// - Throws: `LabError` `.plan` if a service asks for something that it cannot get.
    public mutating func apply(_ object: ClusterObject) throws {
        guard let service = object.object as? Service else { return applied.insert(object.object) }
        let complete = try allocation.complete(service, replacing: applied.services[service.key])
        applied.services[complete.key] = complete
    }

    public mutating func delete(_ kind: ObjectKind, _ key: ObjectKey) {
        if kind == .services { allocation.release(key) }
        applied.remove(kind, key)
    }

    /// Returns all objects: those applied, the current nodes and pods, the namespaces that are named anywhere, and the
    /// slices.
    public func objects(nodes: [Node], pods: [Pod], terminating: Set<ObjectKey> = []) -> ClusterObjects {
        var all = applied
        all.nodes = Dictionary(nodes.map { ($0.key, $0) }) { $1 }
        all.pods = Dictionary(pods.map { ($0.key, $0) }) { $1 }
        for slice in EndpointSliceController.slices(
            services: applied.services.values, pods: pods, terminating: terminating)
        where all.endpointSlices[slice.key] == nil { all.endpointSlices[slice.key] = slice }
        let named =
            pods.map(\.metadata.namespace) + applied.services.keys.map(\.namespace)
            + applied.networkPolicies.keys.map(\.namespace) + applied.ciliumNetworkPolicies.keys.map(\.namespace)
        for name in Set(["default", "kube-system"] + named) {
            let key = ObjectKey(namespace: "", name: name)
            var namespace = all.namespaces[key] ?? Namespace(metadata: ObjectMeta(name: name))
            namespace.metadata.labels[Namespace.nameLabel] = name
            all.namespaces[key] = namespace
        }
        return all
    }
}
