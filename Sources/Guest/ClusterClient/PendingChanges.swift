public import KubeObjects

/// Changes of a kind's objects that wait to be taken over: only the last state of each object.
public struct PendingChanges<Object: KubeObject>: Sendable {
    /// All objects of the kind, if they were listed since.
    private var whole: [ObjectKey: Object]?
    /// Objects of a list that cannot be read: they stay as they were known.
    private var kept: Set<ObjectKey> = []
    private var changed: [ObjectKey: Object] = [:]
    private var removed: Set<ObjectKey> = []

    public init() {}

    public var isEmpty: Bool { whole == nil && changed.isEmpty && removed.isEmpty }

    public mutating func list(_ objects: [Object], unreadable: [ObjectKey] = []) {
        replace(by: Dictionary(objects.map { ($0.key, $0) }) { _, last in last }, keeping: Set(unreadable))
    }

    private mutating func replace(by new: [ObjectKey: Object], keeping unreadable: Set<ObjectKey>) {
        // What has come and was not taken yet is what is known of an object by now.
        let waiting = unreadable.compactMap { whole?[$0] ?? changed[$0] }
        self = PendingChanges()
        whole = new
        for object in waiting { whole?[object.key] = object }
        kept = unreadable.subtracting(waiting.map(\.key))
    }

    public mutating func set(_ object: Object) {
        kept.remove(object.key)
        if whole != nil {
            whole?[object.key] = object
        } else {
            removed.remove(object.key)
            changed[object.key] = object
        }
    }

    public mutating func remove(_ key: ObjectKey) {
        kept.remove(key)
        if whole != nil {
            whole?[key] = nil
        } else {
            changed[key] = nil
            removed.insert(key)
        }
    }

    /// Takes in what came later.
    public mutating func append(_ later: PendingChanges) {
        if let whole = later.whole { return replace(by: whole, keeping: later.kept) }
        for key in later.removed { remove(key) }
        for object in later.changed.values { set(object) }
    }

    /// Returns what must happen to the known objects.
    public func changes(from known: [ObjectKey: Object]) -> ObjectChanges<Object> {
        guard let whole else {
            return ObjectChanges(
                changed.values.filter { known[$0.key] != $0 }, removed: removed.filter { known[$0] != nil }.sorted())
        }
        let all = kept.isEmpty ? whole : known.filter { kept.contains($0.key) }.merging(whole) { _, new in new }
        return ObjectSet(Array(all.values)).changes(from: known)
    }
}

/// What an API server told since an agent took it over last.
public struct ClusterBatch: Sendable {
    public var nodes = PendingChanges<Node>()
    public var namespaces = PendingChanges<Namespace>()
    public var pods = PendingChanges<Pod>()
    public var services = PendingChanges<Service>()
    public var endpointSlices = PendingChanges<EndpointSlice>()
    public var networkPolicies = PendingChanges<NetworkPolicy>()
    public var ciliumNetworkPolicies = PendingChanges<CiliumNetworkPolicy>()
    /// Whether nodes, endpoints or identities of the cluster's agents are others.
    public var peersChanged = false

    public init() {}

    public var isEmpty: Bool { kinds.isEmpty && !peersChanged }

    /// The kinds with changes.
    public var kinds: Set<ObjectKind> {
        var kinds: Set<ObjectKind> = []
        if !nodes.isEmpty { kinds.insert(.nodes) }
        if !namespaces.isEmpty { kinds.insert(.namespaces) }
        if !pods.isEmpty { kinds.insert(.pods) }
        if !services.isEmpty { kinds.insert(.services) }
        if !endpointSlices.isEmpty { kinds.insert(.endpointSlices) }
        if !networkPolicies.isEmpty { kinds.insert(.networkPolicies) }
        if !ciliumNetworkPolicies.isEmpty { kinds.insert(.ciliumNetworkPolicies) }
        return kinds
    }

    /// Takes in what came later.
    public mutating func append(_ later: ClusterBatch) {
        nodes.append(later.nodes)
        namespaces.append(later.namespaces)
        pods.append(later.pods)
        services.append(later.services)
        endpointSlices.append(later.endpointSlices)
        networkPolicies.append(later.networkPolicies)
        ciliumNetworkPolicies.append(later.ciliumNetworkPolicies)
        peersChanged = peersChanged || later.peersChanged
    }
}
