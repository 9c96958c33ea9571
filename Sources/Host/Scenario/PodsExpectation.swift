/// How many pods run, or wait because the node's network plugin refused them.
public struct PodsExpectation: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable, CaseIterable {
        case running
        /// `ContainerCreating` in Kubernetes' words.
        case waiting
    }

    public var state: State
    public var count: Int
    /// Empty: all.
    public var nodes: [String]
    public var labels: [String: String]
    /// What each waiting pod's reason must name.
    public var mentions: [String]

    public init(state: State, count: Int, nodes: [String] = [], labels: [String: String] = [:], mentions: [String] = [])
    {
        self.state = state
        self.count = count
        self.nodes = nodes
        self.labels = labels
        self.mentions = mentions
    }

    /// `pods app=web on node1: 2 waiting, naming t3.small`
    public var words: String {
        var text = "pods"
        if !labels.isEmpty {
            text += " " + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
        if !nodes.isEmpty { text += " on " + nodes.joined(separator: ", ") }
        text += ": \(count) \(state.rawValue)"
        return mentions.isEmpty ? text : text + ", naming " + mentions.joined(separator: ", ")
    }
}

extension ScenarioReader {
    mutating func pods(_ value: YAMLValue) -> PodsExpectation? {
        guard let state = value["state"]?.text.flatMap(PodsExpectation.State.init(rawValue:)) else { return nil }
        var labels: [String: String] = [:]
        for entry in value["labels"]?.entries ?? [] { labels[entry.key] = entry.value.text }
        return PodsExpectation(
            state: state, count: value["count"]?.integer ?? 0, nodes: value["nodes"].map { nodeNames($0) } ?? [],
            labels: labels, mentions: value["mentions"]?.texts ?? [])
    }
}
