import Readings

/// The API server is well and can be reached, and agent and server do not come to terms: the server's certificate does
/// not convince the agent, or the server does not believe or does not permit the agent.
enum AgentTurnedAway: RootCause {
    /// A complaint of agents, and what it means while the server is well.
    private struct Reason {
        let id: String
        let complaint: AgentsWithoutServer.Complaint
        let summary: String
        let fix: String
    }

    private static let reasons = [
        Reason(
            id: "control-plane/certificate-refused", complaint: .certificate,
            summary: "refuse the certificate of the API server",
            fix: "give the API server a certificate of the cluster's authority that names the address which agents "
                + "ask, or the agents that authority"),
        Reason(
            id: "control-plane/token-refused", complaint: .unknownUser,
            summary: "are not known to the API server: it refuses their token",
            fix: "give the agents a valid token of their service account"),
        Reason(
            id: "control-plane/request-forbidden", complaint: .forbidden,
            summary: "may not ask the API server for what they need",
            fix: "bind the agents' service account to a role that permits it"),
    ]

    static let ids = reasons.map(\.id)

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        guard let lost = AgentsWithoutServer(evidence), lost.server.beside.isHealthy else { return [] }
        return reasons.compactMap { reason in
            let agents = lost.agents.filter { agent in
                // What another server says is nothing of this one.
                agent.complaint == reason.complaint
                    && WayToServer(of: agent, to: lost.server, evidence, paths).place != .otherAddress
            }
            guard !agents.isEmpty else { return nil }
            let isOfTime = agents.contains { agent in
                ["expired", "not yet valid"].contains { agent.reason.contains($0) }
            }
            let nodes = list(agents.map(\.node.name))
            return Explanation(
                finding: Finding(
                    id: reason.id, summary: "the agents of \(nodes) \(reason.summary)",
                    evidence: agents.map(\.line) + lost.server.answers,
                    fix: reason.complaint == .certificate && isOfTime
                        ? "compare the clocks of \(nodes) with the certificate's dates, and renew it if it is out of date"
                        : reason.fix,
                    confidence: 0.95),
                cells: [], isEvident: true)
        }
    }
}
