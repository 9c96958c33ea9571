/// A pod that should exist, and whether it runs.
public struct PodReading: Codable, Sendable, Hashable {
    /// `namespace/name`
    public var id: String
    public var node: String
    public var labels: [String: String]
    /// Why it waits, in the words of the node's network plugin. It is nil if the pod runs.
    public var reason: String?

    public var isRunning: Bool { reason == nil }

    public init(id: String, node: String, labels: [String: String], reason: String?) {
        self.id = id
        self.node = node
        self.labels = labels
        self.reason = reason
    }
}
