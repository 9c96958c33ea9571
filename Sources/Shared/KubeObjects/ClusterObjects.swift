/// All objects that are known of a cluster, by kind and key.
public struct ClusterObjects: Sendable, Equatable {
    public var nodes: [ObjectKey: Node] = [:]
    public var namespaces: [ObjectKey: Namespace] = [:]
    public var pods: [ObjectKey: Pod] = [:]
    public var services: [ObjectKey: Service] = [:]
    public var endpointSlices: [ObjectKey: EndpointSlice] = [:]
    public var networkPolicies: [ObjectKey: NetworkPolicy] = [:]
    public var ciliumNetworkPolicies: [ObjectKey: CiliumNetworkPolicy] = [:]

    public init() {}

    /// How many of a kind there are.
    public func count(_ kind: ObjectKind) -> Int {
        switch kind {
        case .nodes: nodes.count
        case .namespaces: namespaces.count
        case .pods: pods.count
        case .services: services.count
        case .endpointSlices: endpointSlices.count
        case .networkPolicies: networkPolicies.count
        case .ciliumNetworkPolicies: ciliumNetworkPolicies.count
        }
    }

    /// Every object there is, as if all had just come.
    public var everything: ObjectDelta {
        var delta = ObjectDelta()
        delta[.nodes] = Set(nodes.keys)
        delta[.namespaces] = Set(namespaces.keys)
        delta[.pods] = Set(pods.keys)
        delta[.services] = Set(services.keys)
        delta[.endpointSlices] = Set(endpointSlices.keys)
        delta[.networkPolicies] = Set(networkPolicies.keys)
        delta[.ciliumNetworkPolicies] = Set(ciliumNetworkPolicies.keys)
        return delta
    }
}

/// Which objects came, went or changed; what they are now is read from `ClusterObjects`.
public struct ObjectDelta: Sendable, Equatable {
    private var changed: [ObjectKind: Set<ObjectKey>] = [:]

    public init() {}

    public subscript(kind: ObjectKind) -> Set<ObjectKey> {
        get { changed[kind] ?? [] }
        set { changed[kind] = newValue.isEmpty ? nil : newValue }
    }

    public var isEmpty: Bool { changed.isEmpty }

    /// Both together.
    public func union(_ other: ObjectDelta) -> ObjectDelta {
        var both = self
        both.changed.merge(other.changed) { $0.union($1) }
        return both
    }

    /// Whether an object of one of these kinds is among them.
    public func touches(_ kinds: Set<ObjectKind>) -> Bool { changed.keys.contains(where: kinds.contains) }
}

/// `objects.set`: all objects of a kind; others of the kind are gone.
public struct ObjectSet<Object: KubeObject>: Codable, Sendable {
    public let kind: ObjectKind
    @OrEmpty public var items: [Object]
    public init(_ items: [Object]) {
        kind = Object.kind
        _items = OrEmpty(wrappedValue: items)
    }

    /// What must happen to what is known, for it to be this set.
    public func changes(from known: [ObjectKey: Object]) -> ObjectChanges<Object> {
        let keys = Set(items.map(\.key))
        return ObjectChanges(
            items.filter { known[$0.key] != $0 }, removed: known.keys.filter { !keys.contains($0) }.sorted())
    }
}

/// `objects.change`: objects of a kind that are new or different, and those that are gone; others stay.
public struct ObjectChanges<Object: KubeObject>: Codable, Sendable {
    public let kind: ObjectKind
    @OrEmpty public var items: [Object]
    @OrEmpty public var removed: [ObjectKey]
    public init(_ items: [Object], removed: [ObjectKey]) {
        kind = Object.kind
        _items = OrEmpty(wrappedValue: items)
        _removed = OrEmpty(wrappedValue: removed)
    }

    public var isEmpty: Bool { items.isEmpty && removed.isEmpty }

    /// Which keys would really be different.
    public func effect(on known: [ObjectKey: Object]) -> Set<ObjectKey> {
        var changed: Set<ObjectKey> = []
        for key in removed where known[key] != nil { changed.insert(key) }
        for item in items where known[item.key] != item { changed.insert(item.key) }
        return changed
    }

    /// Carries them out and answers which keys are really different now.
    @discardableResult
    public func apply(to known: inout [ObjectKey: Object]) -> Set<ObjectKey> {
        var changed: Set<ObjectKey> = []
        for key in removed where known.removeValue(forKey: key) != nil { changed.insert(key) }
        for item in items where known.updateValue(item, forKey: item.key) != item { changed.insert(item.key) }
        return changed
    }
}
