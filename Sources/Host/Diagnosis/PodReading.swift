/// A pod that should exist, and whether its node started it.
public struct PodReading: Codable, Sendable, Hashable {
    /// `namespace/name`
    public var id: String
    public var node: String
    public var labels: [String: String]
    /// Why it waits, in the words of the node's network plugin. It is nil if the pod was started.
    public var reason: String?

    /// Whether the pod was started. It runs only if its node still does.
    public var isRunning: Bool { reason == nil }

    public init(id: String, node: String, labels: [String: String], reason: String?) {
        self.id = id
        self.node = node
        self.labels = labels
        self.reason = reason
    }
}
