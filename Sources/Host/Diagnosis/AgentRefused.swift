import Readings

/// The agent ended by itself and said why: its configuration asks for what this node cannot do. What it left in the
/// kernel goes on forwarding, so no failing cell is explained by it.
enum AgentRefused: RootCause {
    /// A message of agents, and its meaning.
    private struct Reason {
        let id: String
        /// The part of the agent's last line by which it is recognized.
        let phrase: String
        let summary: String
        let fix: String
    }

    private static let reasons = [
        Reason(
            id: "ipam/podcidr-missing", phrase: "required IPv4 PodCIDR not available",
            summary: "waited for spec.podCIDR of their Node objects in vain",
            fix: "set ipam.mode: cluster-pool, or have the cluster write spec.podCIDR"),
        Reason(
            id: "datapath/kernel-feature-missing", phrase: "kernel feature missing",
            summary: "need a feature that the kernel lacks",
            fix: "boot a newer kernel, or set kubeProxyReplacement: probe"),
    ]

    static let ids = reasons.map(\.id)

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        reasons.compactMap { reason in
            let said = evidence.nodes.compactMap { node -> (node: String, ended: String, line: String)? in
                guard node.agentRunning == false, let ended = node.agentEnded,
                    let line = node.agentLog.last(where: { $0.contains(reason.phrase) })
                else { return nil }
                return (node.name, ended, line)
            }
            guard !said.isEmpty else { return nil }
            return Explanation(
                finding: Finding(
                    id: reason.id, summary: "the agents of \(list(said.map(\.node))) \(reason.summary) and ended",
                    evidence: said.map { "\($0.node): \($0.ended): \($0.line)" }, fix: reason.fix, confidence: 0.95),
                cells: [], isEvident: true)
        }
    }
}
