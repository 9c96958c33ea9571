import Readings

/// The packets of an agent's connections to its API server, counted where they were seen.
struct WayToServer {
    /// Where the packets die. In the order in which places are looked at.
    enum Place: String {
        case rejectedOut, rejectedIn, noRoute, otherAddress, inTheNode, towardsServer, atTheServer, backwards

        var isRejection: Bool { self == .rejectedOut || self == .rejectedIn }

        /// Whether it is known by what was not seen.
        var restsOnAbsence: Bool {
            switch self {
            case .rejectedOut, .rejectedIn, .noRoute: false
            case .otherAddress, .inTheNode, .towardsServer, .atTheServer, .backwards: true
            }
        }

        /// A connection that waits for its next try sends nothing for seconds, so that no packet at all says less than
        /// packets that vanish.
        func confidence(isComplete: Bool) -> Double {
            if self == .inTheNode { return isComplete ? 0.6 : 0.3 }
            return isComplete || !restsOnAbsence ? 0.95 : 0.5
        }
    }

    private let agent: AgentsWithoutServer.Agent
    private let server: ControlPlaneReading
    /// Packets that left the node, that came to the server's host, that left there, and that came back.
    private(set) var (left, arrived, answered, back) = (0, 0, 0, 0)
    /// The record of a packet of the connection that a security group rejected.
    private(set) var reject: FlowLogReading?

    init(
        of agent: AgentsWithoutServer.Agent, to server: ControlPlaneReading, _ evidence: Evidence, _ paths: PathIndex
    ) {
        self.agent = agent
        self.server = server
        let node = agent.node
        func isRequest(_ flow: FlowTuple) -> Bool {
            flow.protocol == 6 && flow.source == node.address && flow.destination == server.address
                && flow.destinationPort == server.port
        }
        for packet in evidence.wire where packet.node == node.name && packet.vni == nil {
            if packet.fromNode, isRequest(packet.outer) { left += 1 }
            if !packet.fromNode, isRequest(packet.outer.reversed) { back += 1 }
        }
        for packet in evidence.cloud.wire where packet.node == server.place {
            if !packet.fromNode, isRequest(packet.outer) { arrived += 1 }
            if packet.fromNode, isRequest(packet.outer.reversed) { answered += 1 }
        }
        reject = paths.rejects.first { isRequest($0.flow) || isRequest($0.flow.reversed) }
    }

    /// The first place on the way at which the packets die, or nil if they do not, as far as is known.
    var place: Place? {
        // Answers that come in now say that the way is open by now.
        guard back == 0 else { return nil }
        if let reject { return reject.flow.source == agent.node.address ? .rejectedOut : .rejectedIn }
        if ["Network is unreachable", "No route to host"].contains(where: { agent.reason.contains($0) }) {
            return .noRoute
        }
        if left == 0, arrived == 0 {
            if let asked = agent.connection.endpoint, asked.host != server.address || asked.port != server.port {
                return .otherAddress
            }
            // Whoever was refused at once is between two tries.
            let waits = ["in time", "timed out"].contains { agent.reason.contains($0) }
            return waits ? .inTheNode : nil
        }
        if arrived == 0 { return .towardsServer }
        return answered == 0 ? .atTheServer : .backwards
    }

    var lines: [String] {
        var lines = [
            "packets between \(agent.node.name) and \(server.endpoint): \(left) left the node's tap, \(arrived) came "
                + "to \(server.place), \(answered) left it as answers, \(back) came back"
        ]
        if let reject {
            lines.append(
                "flow log of \(reject.interfaceID) (\(reject.node)): REJECT \(reject.flow), \(reject.packets) packets")
        }
        return lines
    }
}
