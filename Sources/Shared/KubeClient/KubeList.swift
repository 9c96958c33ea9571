/// All objects of a list, gathered from its pages.
public struct KubeList<Object: Sendable>: Sendable {
    /// From here a watch goes on.
    public var resourceVersion: String
    public var items: [Object]
    /// Objects that the server sent and that are no `Object`.
    public var unreadable: [KubeUnreadable]

    public init(resourceVersion: String, items: [Object], unreadable: [KubeUnreadable] = []) {
        self.resourceVersion = resourceVersion
        self.items = items
        self.unreadable = unreadable
    }
}

/// An object that cannot be read as the type that was asked for.
public struct KubeUnreadable: Sendable, Hashable, CustomStringConvertible {
    /// Empty if even that cannot be read.
    public var namespace: String
    public var name: String
    public var reason: String
    /// Whether a watch told that it was deleted, so that an earlier state of it must not be kept.
    public var isDeleted = false

    public init(namespace: String, name: String, reason: String) {
        self.namespace = namespace
        self.name = name
        self.reason = reason
    }

    public var description: String { "\(namespace.isEmpty ? name : "\(namespace)/\(name)"): \(reason)" }
}

/// How a patch's body is meant (the request's media type).
public enum KubePatch: Sendable, Hashable {
    /// RFC 7386.
    case merge
    /// Kubernetes' own: lists are merged by keys. Custom resources do not have it.
    case strategicMerge
    /// RFC 6902.
    case json
    /// Server-side apply: the body is an object as the manager wants it. With `force` it takes fields from others.
    case apply(fieldManager: String, force: Bool)
}

/// One event of a watch.
public struct WatchEvent: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
        /// Nothing has changed; the object has a resource version only.
        case bookmark = "BOOKMARK"
        /// The object is a `KubeStatus`, and the watch ends. `KubeClient.watch` throws it instead.
        case error = "ERROR"
    }
    public var kind: Kind
    /// The object's JSON text.
    public var object: KubeBody
    /// Nil if the object names none.
    public var resourceVersion: String?

    public init(kind: Kind, object: KubeBody, resourceVersion: String?) {
        self.kind = kind
        self.object = object
        self.resourceVersion = resourceVersion
    }
}
