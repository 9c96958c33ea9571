import RunEvents

extension NodeJoinRecord {
    /// For example `node3 joined: runtime answered after 2.1 s, agent ready 5.3 s, Node Ready 6.0 s, first pod 6.8 s`.
    var words: String {
        let times = [
            ("runtime answered", runtimeSeconds), ("agent ready", agentSeconds), ("Node Ready", nodeReadySeconds),
            ("first pod", firstPodSeconds),
        ].compactMap { name, seconds in seconds.map { "\(name) \(shortSeconds($0))" } }
        return "\(node) joined" + (times.isEmpty ? "" : ": " + times.joined(separator: ", ") + " after its power-on")
    }
}
