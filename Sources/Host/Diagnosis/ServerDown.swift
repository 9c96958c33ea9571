import Readings

/// The API server answers nobody, not even on its own host: its process or that of its etcd is not there or stands
/// still, or it says itself that it is not well. What agents have in the kernel goes on forwarding, so no failing cell
/// is explained by it.
enum ServerDown: RootCause {
    private static let down = "control-plane/server-down"
    private static let silent = "control-plane/server-silent"
    static let ids = [down, silent]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        guard let lost = AgentsWithoutServer(evidence), !lost.server.beside.isHealthy else { return [] }
        let missing = lost.missing
        let ended = missing.first { $0.state == .ended }
        let culprit = ended ?? missing.first
        let name = culprit?.name ?? "kube-apiserver"
        let (summary, fix): (String, String)
        switch culprit?.state {
        case .ended?:
            summary = "\(name) does not run"
            fix = "start \(name) again; its log says why it ended"
        case .stopped?:
            summary = "\(name) stands still: its process is stopped"
            fix = "let \(name) run again (SIGCONT)"
        case .running?, nil:
            summary = "\(name) runs and " + (lost.server.beside.isAnswer ? "is not ready" : "does not answer")
            fix = "look at the log of \(name), and at what it needs: processor time, memory, etcd"
        }
        let states = lost.server.servers.map { "\($0.name) \($0.state.rawValue)" }
        return [
            Explanation(
                finding: Finding(
                    id: ended == nil ? silent : down,
                    summary: summary + ", so the agents of \(list(lost.agents.map(\.node.name))) hear of no change",
                    evidence: ["processes of the control plane: " + states.joined(separator: ", ")]
                        + lost.server.answers + lost.agents.map(\.line),
                    fix: fix, confidence: culprit == nil ? 0.7 : 0.97),
                cells: [], isEvident: true)
        ]
    }
}
