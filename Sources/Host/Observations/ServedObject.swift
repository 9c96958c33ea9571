public import JSON

/// Names an object that the lab's API server keeps.
public struct ObjectQuery: Codable, Sendable, Hashable {
    /// `apps/v1`; nil for the version that the server prefers.
    public var apiVersion: String?
    public var kind: String
    /// The namespace; nil for `default`, or for none if the kind is in no namespace.
    public var namespace: String?
    public var name: String

    public init(apiVersion: String? = nil, kind: String, namespace: String? = nil, name: String) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// For example `Deployment default/web` or `Node node1`.
    public var words: String {
        let place = namespace.map { "\($0)/" } ?? ""
        return "\(kind) \(place)\(name)" + (apiVersion.map { " of \($0)" } ?? "")
    }
}

/// What the API server said when it was asked for an object.
public enum ObjectReading: Sendable {
    case found(JSONValue)
    /// It answered that there is none.
    case absent
    /// It could not be asked, or it does not serve such objects.
    case unread(String)
}

/// An event as the API server has it (`v1 Event`).
public struct ServedEvent: Sendable, Hashable {
    /// The event's own uid. An event that happens again keeps it, with a higher count.
    public var uid: String
    /// `Normal` or `Warning`.
    public var type: String
    public var reason: String
    public var message: String
    /// How often it happened.
    public var count: Int
    /// The object that it is about. The namespace is empty for objects that are in none.
    public var kind: String
    public var namespace: String
    public var name: String
    /// The name of the pod in the matrix, `web-1`, if the event is about a pod of a workload.
    public var podID: String?

    public init(
        uid: String, type: String, reason: String, message: String, count: Int, kind: String, namespace: String,
        name: String, podID: String? = nil
    ) {
        self.podID = podID
        self.uid = uid
        self.type = type
        self.reason = reason
        self.message = message
        self.count = count
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// For example `Warning FailedScheduling Pod default/web: 0/2 nodes are available`.
    package var words: String {
        let place = namespace.isEmpty ? "" : "\(namespace)/"
        return "\(type) \(reason) \(kind) \(place)\(name): \(message)"
    }
}

/// The events of the API server that happened since a step began.
public struct ServedEvents: Sendable {
    public var events: [ServedEvent]
    /// Why not all of them are known; nil if they are.
    public var gap: String?

    public init(events: [ServedEvent], gap: String? = nil) {
        self.events = events
        self.gap = gap
    }

    /// Returns what happened since an earlier reading: events that it does not have, and those with a higher count,
    /// with the difference as their count. None is known to be new if the earlier reading has a gap.
    public func since(_ before: ServedEvents) -> ServedEvents {
        if let gap = before.gap {
            return ServedEvents(events: [], gap: "what had happened before is not known: \(gap)")
        }
        let counts = Dictionary(before.events.map { ($0.uid, $0.count) }) { max($0, $1) }
        return ServedEvents(
            events: events.compactMap { event in
                var event = event
                event.count -= counts[event.uid] ?? 0
                return event.count > 0 ? event : nil
            }, gap: gap)
    }
}
