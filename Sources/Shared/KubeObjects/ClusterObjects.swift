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

    /// The number of objects of a kind.
    public func count(_ kind: ObjectKind) -> Int { keys(kind.type).count }

    /// How many ready endpoints all endpoint slices have together.
    public var readyEndpointCount: Int {
        endpointSlices.values.reduce(0) { sum, slice in sum + slice.endpoints.count { $0.conditions.isReady } }
    }

    /// Names every object there is, as if all had just come.
    public var everything: ObjectDelta {
        var delta = ObjectDelta()
        for kind in ObjectKind.allCases { delta[kind] = Set(keys(kind.type)) }
        return delta
    }

    private func keys<Object: KubeObject>(_ type: Object.Type) -> [ObjectKey] {
        Array(self[keyPath: Object.table].keys)
    }

    /// Takes an object in, in place of one of the same key.
    public mutating func insert(_ object: some KubeObject) {
        self[keyPath: type(of: object).table][object.key] = object
    }

    public mutating func remove(_ kind: ObjectKind, _ key: ObjectKey) { remove(kind.type, key) }

    private mutating func remove<Object: KubeObject>(_ type: Object.Type, _ key: ObjectKey) {
        self[keyPath: Object.table][key] = nil
    }
}

/// Names objects that came, went or changed. What they are now is in `ClusterObjects`.
public struct ObjectDelta: Sendable, Equatable {
    private var changed: [ObjectKind: Set<ObjectKey>] = [:]

    public init() {}

    public subscript(kind: ObjectKind) -> Set<ObjectKey> {
        get { changed[kind] ?? [] }
        set { changed[kind] = newValue.isEmpty ? nil : newValue }
    }

    public var isEmpty: Bool { changed.isEmpty }

    /// Answers the objects of both.
    public func union(_ other: ObjectDelta) -> ObjectDelta {
        var both = self
        both.changed.merge(other.changed) { $0.union($1) }
        return both
    }

    /// Answers whether an object of one of these kinds is among them.
    public func touches(_ kinds: Set<ObjectKind>) -> Bool { changed.keys.contains(where: kinds.contains) }
}

/// `objects.set`: all objects of a kind. Objects of the kind that are not among them are gone.
public struct ObjectSet<Object: KubeObject>: FieldStruct {
    public private(set) var kind = Object.kind
    public private(set) var items: [Object] = []

    public init() {}
    public init(_ items: [Object]) { self.items = items }

    public static var about: StructDescription { StructDescription("set of objects", "All objects of a kind.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("kind", &kind, "Kind.")
        try visitor.field("items", &items, "The objects.")
    }

    /// Answers what must happen to the known objects for them to be this set.
    public func changes(from known: [ObjectKey: Object]) -> ObjectChanges<Object> {
        let keys = Set(items.map(\.key))
        return ObjectChanges(
            items.filter { known[$0.key] != $0 }, removed: known.keys.filter { !keys.contains($0) }.sorted())
    }
}

/// `objects.change`: objects of a kind that are new or different, and those that are gone. Others stay.
public struct ObjectChanges<Object: KubeObject>: FieldStruct {
    public private(set) var kind = Object.kind
    public private(set) var items: [Object] = []
    public private(set) var removed: [ObjectKey] = []

    public init() {}
    public init(_ items: [Object], removed: [ObjectKey]) {
        self.items = items
        self.removed = removed
    }

    public static var about: StructDescription { StructDescription("changes of objects", "Changes of a kind.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("kind", &kind, "Kind.")
        try visitor.field("items", &items, "Objects that are new or different.")
        try visitor.field("removed", &removed, "Keys of those that are gone.")
    }

    public var isEmpty: Bool { items.isEmpty && removed.isEmpty }

    /// Answers the keys of the objects that would really be different.
    public func effect(on known: [ObjectKey: Object]) -> Set<ObjectKey> {
        var changed: Set<ObjectKey> = []
        for key in removed where known[key] != nil { changed.insert(key) }
        for item in items where known[item.key] != item { changed.insert(item.key) }
        return changed
    }

    /// Carries the changes out and answers the keys of the objects that are really different now.
    @discardableResult
    public func apply(to known: inout [ObjectKey: Object]) -> Set<ObjectKey> {
        var changed: Set<ObjectKey> = []
        for key in removed where known.removeValue(forKey: key) != nil { changed.insert(key) }
        for item in items where known.updateValue(item, forKey: item.key) != item { changed.insert(item.key) }
        return changed
    }
}
