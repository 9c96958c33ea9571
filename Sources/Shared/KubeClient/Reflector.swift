import LinuxKernel

/// Follows all objects of a resource: lists them, watches them from there, watches again when the connection was lost,
/// and lists again when the server no longer has what happened since.
public struct Reflector<Object: Sendable>: Sendable {
    private let client: KubeClient
    private let selection: KubeSelection
    private let settings: ReflectorSettings
    private let read: @Sendable ([UInt8]) throws -> Object

    /// - Parameters:
    ///   - namespace: Nil means all namespaces.
    ///   - read: Reads an object's JSON text. What it throws becomes `.unreadable`.
    public init(
        _ client: KubeClient, _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, settings: ReflectorSettings = ReflectorSettings(),
        read: @escaping @Sendable ([UInt8]) throws -> Object
    ) {
        self.client = client
        selection = KubeSelection(
            resource: resource, namespace: namespace, labelSelector: labelSelector, fieldSelector: fieldSelector)
        self.settings = settings
        self.read = read
    }

    /// Yields updates until the task that reads them is cancelled. Each call begins anew. Nothing is read ahead.
    public func updates() -> AsyncStream<ReflectorUpdate<Object>> {
        let run = ReflectorRun(client, selection, settings, read)
        return AsyncStream { await run.next() }
    }
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
    /// All objects that there are. What was known before and is not among them is gone. Objects that cannot be read
    /// follow as `.unreadable`.
    case listed([Object])
    case added(Object)
    case modified(Object)
    /// The object as it was last.
    case deleted(Object)
    /// The server has an object that cannot be read.
    case unreadable(KubeUnreadable)
    /// The server cannot be asked. The reflector keeps trying, and the objects are as they were known last. It comes
    /// once, and again when the reason changes.
    case disconnected(reason: String)
    /// The server answers, for the first time or again. After a loss the changes since then follow.
    case connected
}

extension ReflectorUpdate: Equatable where Object: Equatable {}

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
    /// The time since any moment. Tests replace it.
    public var now: @Sendable () -> Duration = { .nanoseconds(MonotonicTime.now.nanoseconds) }
    /// Told of each request before it is sent.
    public var asked: @Sendable (ReflectorRequest) -> Void = { _ in }
    /// A number from 0 up to 1 by chance. Tests replace it.
    public var chance: @Sendable () -> Double = { Double.random(in: 0..<1) }

    public init() {}

    /// The waiting time after so many failures in a row, at least one.
    func pause(afterFailures failures: Int) -> Duration {
        var whole = firstPause
        for _ in 1..<max(1, min(failures, 32)) where whole < longestPause { whole *= 2 }
        return min(whole, longestPause) * (0.5 + chance() / 2)
    }
}

/// What a reflector asks a server for.
public enum ReflectorRequest: Sendable, Hashable {
    /// All pages of a list.
    case list
    case watch
}

/// Which objects of a resource.
struct KubeSelection: Sendable {
    var resource: KubeResource
    var namespace: String?
    var labelSelector: String?
    var fieldSelector: String?
}
