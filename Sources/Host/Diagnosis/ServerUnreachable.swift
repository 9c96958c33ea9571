import Readings

/// The API server is well, and packets between an agent and it die on the way. The agent says that it is not connected,
/// the server answers on its own host, and captures and flow log say where the packets were seen last.
///
/// An agent whose packets go both ways is not lost, only about to connect again.
enum ServerUnreachable: RootCause {
    private static let unreachable = "control-plane/unreachable"
    private static let blocked = "control-plane/port-blocked"
    static let ids = [blocked, unreachable]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        guard let lost = AgentsWithoutServer(evidence), lost.server.beside.isHealthy else { return [] }
        var found: [(agent: AgentsWithoutServer.Agent, way: WayToServer, place: WayToServer.Place)] = []
        for agent in lost.agents where agent.complaint == .noAnswer || agent.complaint == .other {
            let way = WayToServer(of: agent, to: lost.server, evidence, paths)
            if let place = way.place { found.append((agent, way, place)) }
        }
        let isComplete = evidence.recordingIsComplete && evidence.cloud.isComplete
        return Dictionary(grouping: found) { $0.place }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            place, found in
            let nodes = list(found.map(\.agent.node.name))
            var lines = found.flatMap { [$0.agent.line] + $0.way.lines } + lost.server.answers
            if !isComplete, place.restsOnAbsence {
                lines.append("the captures missed packets, so that absence at a place is weak evidence")
            }
            if place.isRejection {
                lines += Set(
                    evidence.securityGroups.filter { group in found.contains { $0.agent.node.name == group.node } }
                        .map { "\($0.node): group \($0.group), rules \(list($0.rules.map(\.name)))" }
                ).sorted()
            }
            return Explanation(
                finding: Finding(
                    id: place.isRejection ? blocked : unreachable,
                    summary: summary(place, nodes, lost.server, found.first?.agent.connection), evidence: lines,
                    fix: fix(place, nodes, lost.server), confidence: place.confidence(isComplete: isComplete)),
                cells: [], isEvident: true)
        }
    }

    private static func summary(
        _ place: WayToServer.Place, _ nodes: String, _ server: ControlPlaneReading,
        _ connection: ServerConnectionReading?
    ) -> String {
        let whom = "the API server at \(server.endpoint)"
        return switch place {
        case .rejectedOut: "the security groups of \(nodes) let no packets out to \(whom)"
        case .rejectedIn: "the security groups of \(nodes) let no packets of \(whom) in"
        case .noRoute: "\(nodes) \(nodes.contains(" ") ? "have" : "has") no route to \(whom)"
        case .otherAddress:
            "the agents of \(nodes) ask \(connection?.server ?? "another address"), and \(whom) gets nothing of it"
        case .inTheNode: "packets of the agents of \(nodes) to \(whom) do not leave their nodes"
        case .towardsServer: "packets of the agents of \(nodes) leave for \(whom) and do not arrive"
        case .atTheServer: "packets of the agents of \(nodes) arrive at \(whom), and its host sends none back"
        case .backwards: "what \(whom) answers the agents of \(nodes) leaves its host and does not arrive"
        }
    }

    private static func fix(_ place: WayToServer.Place, _ nodes: String, _ server: ControlPlaneReading) -> String {
        switch place {
        case .rejectedOut: "add an egress rule for TCP \(server.port) to the security groups of \(nodes)"
        case .rejectedIn: "add an ingress rule for the API server's answers to the security groups of \(nodes)"
        case .noRoute: "give \(nodes) a route to \(server.address)"
        case .otherAddress: "set k8sServiceHost and k8sServicePort to \(server.address) and \(server.port)"
        case .inTheNode: "look at what filters packets on \(nodes): its routes, netfilter and programs"
        case .towardsServer, .backwards:
            "look at what is between \(nodes) and \(server.place): routes and filters of the network"
        case .atTheServer: "look at what filters packets on the host of the API server"
        }
    }
}
