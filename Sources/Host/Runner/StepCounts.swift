/// Counts of the nodes that only grow, read at the beginning of a step and again in each of its rounds.
struct StepCounts: Sendable {
    /// How often a node's agent was started, by node.
    var starts: [String: Int] = [:]
    /// How many packets a node's flow caches served since the node booted, by node. A node that could not be asked has
    /// no entry.
    var served: [String: UInt64] = [:]

    func restarts(since start: StepCounts) -> [String: Int] {
        starts.reduce(into: [:]) { all, pair in all[pair.key] = max(0, pair.value - (start.starts[pair.key] ?? 0)) }
    }

    /// The packets that flow caches served between two readings, by node, for nodes that have both. A node that booted
    /// in between counts from zero.
    func served(since start: StepCounts) -> [String: UInt64] {
        served.reduce(into: [:]) { all, pair in
            guard let before = start.served[pair.key] else { return }
            all[pair.key] = pair.value < before ? pair.value : pair.value - before
        }
    }
}
