import Readings

/// The API server is well, and packets between an agent and it die on the way. The agent says that it is not connected,
/// the server answers on its own host, and captures and flow log say where the packets were seen last.
///
/// An agent whose packets go both ways is not lost, only about to connect again. One that sends none may wait for its
/// next try. Neither is named without a record that says more.
enum ServerUnreachable: RootCause {
    private static let unreachable = "control-plane/unreachable"
    private static let blocked = "control-plane/port-blocked"
    static let ids = [blocked, unreachable]

    private typealias Lost = (agent: AgentsWithoutServer.Agent, way: WayToServer, place: WayToServer.Place)

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        guard let lost = AgentsWithoutServer(evidence), lost.server.beside.isHealthy else { return [] }
        let found: [Lost] = lost.agents.compactMap { agent in
            let way = WayToServer(of: agent, to: lost.server, evidence, paths)
            // Whoever was answered, and did not like it, has reached somebody.
            guard let place = way.place, !agent.complaint.isOfAnswer || place == .otherAddress else { return nil }
            return (agent, way, place)
        }
        let isComplete = evidence.recordingIsComplete && evidence.cloud.isComplete
        return Dictionary(grouping: found) { $0.place }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            explanation(of: $1, at: $0, lost.server, evidence, isComplete: isComplete)
        }
    }

    private static func explanation(
        of found: [Lost], at place: WayToServer.Place, _ server: ControlPlaneReading, _ evidence: Evidence,
        isComplete: Bool
    ) -> Explanation {
        let nodes = list(found.map(\.agent.node.name))
        var lines = found.flatMap { [$0.agent.line] + $0.way.lines } + server.answers
        if !isComplete, place.restsOnAbsence {
            lines.append("the captures missed packets, so that absence at a place is weak evidence")
        }
        if place.isRejection {
            lines += Set(
                evidence.securityGroups.filter { group in found.contains { $0.way.reject?.node == group.node } }
                    .map { "\($0.node): group \($0.group), rules \(list($0.rules.map(\.name)))" }
            ).sorted()
        }
        return Explanation(
            finding: Finding(
                id: place.isRejection ? blocked : unreachable,
                summary: summary(place, nodes, server, found.first?.agent.connection), evidence: lines,
                fix: fix(place, nodes, server), confidence: place.confidence(isComplete: isComplete)),
            cells: [], isEvident: true)
    }

    private static func summary(
        _ place: WayToServer.Place, _ nodes: String, _ server: ControlPlaneReading,
        _ connection: ServerConnectionReading?
    ) -> String {
        let whom = "the API server at \(server.endpoint)"
        return switch place {
        case .rejectedAtNode: "the security groups of \(nodes) let no packets out to \(whom)"
        case .rejectedAnswerAtNode: "the security groups of \(nodes) let no packets of \(whom) in"
        case .rejectedAtServer: "the security groups of \(server.place) let no packets of \(nodes) in to \(whom)"
        case .rejectedAnswerAtServer:
            "the security groups of \(server.place) let no answers of \(whom) out to \(nodes)"
        case .noRoute: "\(nodes) \(nodes.contains(" ") ? "have" : "has") no route to \(whom)"
        case .noHost: "\(nodes) \(nodes.contains(" ") ? "find" : "finds") no host on the way to \(whom)"
        case .otherAddress:
            "the agents of \(nodes) ask \(connection?.server ?? "another address"), which is not \(whom), and nothing "
                + "on the node translates it"
        case .inTheNode: "packets of the agents of \(nodes) to \(whom) are lost on their nodes"
        case .towardsServer: "packets of the agents of \(nodes) leave for \(whom) and do not arrive"
        case .atTheServer: "packets of the agents of \(nodes) arrive at \(whom), and its host sends none back"
        case .backwards: "what \(whom) answers the agents of \(nodes) leaves its host and does not arrive"
        }
    }

    private static func fix(_ place: WayToServer.Place, _ nodes: String, _ server: ControlPlaneReading) -> String {
        switch place {
        case .rejectedAtNode: "add an egress rule for TCP \(server.port) to the security groups of \(nodes)"
        case .rejectedAnswerAtNode:
            "add an ingress rule for the API server's answers to the security groups of \(nodes)"
        case .rejectedAtServer:
            "add an ingress rule for TCP \(server.port) from \(nodes) to the security groups of \(server.place)"
        case .rejectedAnswerAtServer: "add an egress rule for answers to the security groups of \(server.place)"
        case .noRoute: "give \(nodes) a route to \(server.address)"
        case .noHost: "look for who should answer ARP on the way: the gateway of \(nodes), or \(server.place)"
        case .otherAddress:
            "set k8sServiceHost and k8sServicePort to \(server.address) and \(server.port); a Service's address needs "
                + "somebody who translates it before the agent runs"
        case .inTheNode: "look at what drops packets on \(nodes): queueing disciplines, netfilter and programs"
        case .towardsServer, .backwards:
            "look at what is between \(nodes) and \(server.place): routes and filters of the network"
        case .atTheServer: "look at what filters packets on the host of the API server"
        }
    }
}
