import Observations

/// Counts of the nodes that only grow, read at the beginning of a step and again in each of its rounds.
struct StepCounts: Sendable {
    /// How often a node's agent was started, by node.
    var starts: [String: Int] = [:]
    /// How often a node was booted, by node.
    var boots: [String: Int] = [:]
    /// What a node forwarded since it booted, by node. A node that could not be asked has no entry.
    var flowCaches: [String: FlowCacheCount] = [:]
    /// What flow caches served of the step's streams before its first action, by node.
    var streams: [String: ServedStreams] = [:]
    /// The API server's events of before the step, in steps that expect something of events.
    var events = ServedEvents(events: [])

    func restarts(since start: StepCounts) -> [String: Int] {
        starts.reduce(into: [:]) { all, pair in all[pair.key] = max(0, pair.value - (start.starts[pair.key] ?? 0)) }
    }

    /// What was forwarded between two readings, by node. A node that booted in between counts from zero, and one that
    /// could not be asked at the start has no entry.
    func flowCaches(since start: StepCounts) -> [String: FlowCacheCount] {
        flowCaches.reduce(into: [:]) { all, pair in
            if boots[pair.key] != start.boots[pair.key] {
                all[pair.key] = pair.value
            } else if let before = start.flowCaches[pair.key] {
                all[pair.key] = pair.value.since(before)
            }
        }
    }
}
