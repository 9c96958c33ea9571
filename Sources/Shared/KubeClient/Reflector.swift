/// Follows all objects of a resource: lists them, watches them from there, watches again when the connection was lost,
/// and lists again when the server no longer has what happened since (skeleton).
public struct Reflector<Object: Sendable>: Sendable {
    private let client: KubeClient

    /// - Parameters:
    ///   - namespace: Nil means all namespaces.
    ///   - read: Reads an object's JSON text.
    public init(
        _ client: KubeClient, _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, settings: ReflectorSettings = ReflectorSettings(),
        read: @escaping @Sendable ([UInt8]) throws -> Object
    ) {
        self.client = client
    }

    /// Yields updates until the task that reads them is cancelled. Each call begins anew. Nothing is read ahead.
    public func updates() -> AsyncStream<ReflectorUpdate<Object>> { AsyncStream { $0.finish() } }
}

extension Reflector where Object: Decodable {
    public init(
        _ client: KubeClient, _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, settings: ReflectorSettings = ReflectorSettings(),
        as type: Object.Type = Object.self
    ) {
        self.init(
            client, resource, namespace: namespace, labelSelector: labelSelector, fieldSelector: fieldSelector,
            settings: settings
        ) { try KubeCoding.decode($0, as: Object.self) }
    }
}

public enum ReflectorUpdate<Object: Sendable>: Sendable {
    /// All objects that there are. What was known before and is not among them is gone.
    case listed([Object])
    case added(Object)
    case modified(Object)
    /// The object as it was last.
    case deleted(Object)
    /// The server has an object that cannot be read; it is as if it had not changed.
    case unreadable(KubeUnreadable)
    /// The server cannot be asked. The reflector keeps trying, and the objects are as they were known last.
    case disconnected(reason: String)
    /// The server answers, for the first time or again. After a loss the changes since then follow.
    case connected
}

/// How a reflector asks and waits.
public struct ReflectorSettings: Sendable {
    /// The waiting time after a first failure. It doubles with each further one, up to `longestPause`, and each is
    /// drawn between its half and its whole.
    public var firstPause = Duration.milliseconds(200)
    public var longestPause = Duration.seconds(5)
    /// The lifetime of a watch in seconds; each is drawn from the range.
    public var watchSeconds = 300...600
    /// How long the server may take to answer a list, and to begin a watch.
    public var patience = Duration.seconds(30)
    /// Waits. Tests replace it.
    public var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    /// A number from 0 up to 1 by chance. Tests replace it.
    public var chance: @Sendable () -> Double = { Double.random(in: 0..<1) }

    public init() {}
}
