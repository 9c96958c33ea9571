import Readings

/// The packets of a node's connections to the API server that its agent asks, counted where they were seen.
///
/// Captures do not say which program of a node sent a packet. The kubelet asks the same server from the same address,
/// so that its packets are among these, too: they show that the way is open, and hide what happens to the agent's only.
struct WayToServer {
    /// Where the packets die.
    enum Place: String {
        /// A security group of the node's interface, or one of the server's, rejects them.
        case rejectedAtNode, rejectedAnswerAtNode, rejectedAtServer, rejectedAnswerAtServer
        /// The agent asks another address than the server's, and nothing on the node translates it.
        case otherAddress
        /// The node's kernel said so when the agent asked, and no packet was seen.
        case noRoute, noHost
        /// A record of the node tells of packets lost there, and none was seen at its tap.
        case inTheNode
        case towardsServer, atTheServer, backwards

        var isRejection: Bool {
            switch self {
            case .rejectedAtNode, .rejectedAnswerAtNode, .rejectedAtServer, .rejectedAnswerAtServer: true
            case .otherAddress, .noRoute, .noHost, .inTheNode, .towardsServer, .atTheServer, .backwards: false
            }
        }

        /// Whether it is known by what was not seen.
        var restsOnAbsence: Bool {
            switch self {
            case .inTheNode, .towardsServer, .atTheServer, .backwards: true
            case .otherAddress, .noRoute, .noHost: false
            case .rejectedAtNode, .rejectedAnswerAtNode, .rejectedAtServer, .rejectedAnswerAtServer: false
            }
        }

        func confidence(isComplete: Bool) -> Double {
            if restsOnAbsence, !isComplete { return 0.5 }
            return self == .inTheNode || self == .noHost ? 0.8 : 0.95
        }
    }

    private let agent: AgentsWithoutServer.Agent
    private let server: ControlPlaneReading
    /// Packets that left the node, that came to the server's host, that left there, and that came back.
    private(set) var (left, arrived, answered, back) = (0, 0, 0, 0)
    /// Packets that left the node for the address that the agent asks, where that is another one than the server's.
    private(set) var elsewhere = 0
    /// The record of a packet of such a connection that a security group rejected.
    private(set) var reject: FlowLogReading?
    /// Drops of such packets that the node's datapath reported.
    private let drops: [PacketEvent]

    init(
        of agent: AgentsWithoutServer.Agent, to server: ControlPlaneReading, _ evidence: Evidence, _ paths: PathIndex
    ) {
        self.agent = agent
        self.server = server
        let node = agent.node
        func isRequest(_ flow: FlowTuple, to host: String, _ port: UInt16) -> Bool {
            flow.protocol == 6 && flow.source == node.address && flow.destination == host
                && flow.destinationPort == port
        }
        func isRequest(_ flow: FlowTuple) -> Bool { isRequest(flow, to: server.address, server.port) }
        let other = agent.asksAnother(than: server) ? agent.connection.endpoint : nil
        /// The node's ports to which answers came.
        var answeredPorts: Set<UInt16> = []
        for packet in evidence.wire where packet.node == node.name && packet.vni == nil {
            if packet.fromNode, isRequest(packet.outer) { left += 1 }
            if packet.fromNode, let other, isRequest(packet.outer, to: other.host, other.port) { elsewhere += 1 }
            if !packet.fromNode, isRequest(packet.outer.reversed) {
                back += 1
                answeredPorts.insert(packet.outer.destinationPort)
            }
        }
        for packet in evidence.cloud.wire where packet.node == server.place {
            if !packet.fromNode, isRequest(packet.outer) { arrived += 1 }
            if packet.fromNode, isRequest(packet.outer.reversed) { answered += 1 }
        }
        // A connection that was answered is not the one that a group keeps from coming about.
        reject = paths.rejects.first {
            isRequest($0.flow) && !answeredPorts.contains($0.flow.sourcePort)
                || isRequest($0.flow.reversed) && !answeredPorts.contains($0.flow.destinationPort)
        }
        drops = evidence.datapath.filter {
            $0.node == node.name && $0.isDrop && (isRequest($0.flow) || isRequest($0.flow.reversed))
        }
    }

    /// The first place on the way at which the packets die, or nil if nothing on record says that they do.
    var place: Place? {
        // What the node's kubelet has from the server says nothing of an agent that asks somebody else.
        if elsewhere > 0 { return .otherAddress }
        // Whoever was refused has had an answer, even if a later one was rejected.
        let isRefused = agent.reason.contains("Connection refused")
        if let reject, !isRefused || reject.flow.source == agent.node.address { return place(of: reject) }
        // Answers that come in now say that the way is open by now, or for most.
        guard back == 0 else { return nil }
        guard left > 0 || arrived > 0 else { return placeWithoutPackets }
        if arrived == 0 { return .towardsServer }
        return answered == 0 ? .atTheServer : .backwards
    }

    private func place(of reject: FlowLogReading) -> Place {
        let isRequest = reject.flow.source == agent.node.address
        // The record is that of the interface which has the group: at the server's, it is the server's group.
        return if reject.node == agent.node.name {
            isRequest ? .rejectedAtNode : .rejectedAnswerAtNode
        } else {
            isRequest ? .rejectedAtServer : .rejectedAnswerAtServer
        }
    }

    /// An agent that waits for its next try sends nothing for seconds, so that packets which are missing altogether
    /// prove nothing: it takes the kernel's words, or records of the node.
    private var placeWithoutPackets: Place? {
        let isWithoutRoute = agent.reason.contains("Network is unreachable")
        if isWithoutRoute || agent.reason.contains("No route to host") {
            if agent.asksAnother(than: server) { return .otherAddress }
            return isWithoutRoute ? .noRoute : .noHost
        }
        // Whoever was refused at once is between two tries.
        let waits = ["in time", "timed out"].contains { agent.reason.contains($0) }
        return waits && (!drops.isEmpty || agent.node.losesPackets) ? .inTheNode : nil
    }

    var lines: [String] {
        var lines = [
            "packets between \(agent.node.name) and \(server.endpoint): \(left) left the node's tap, \(arrived) came "
                + "to \(server.place), \(answered) left it as answers, \(back) came back"
        ]
        if elsewhere > 0 {
            lines.append("\(elsewhere) packets left \(agent.node.name) for \(agent.connection.server) itself")
        }
        if let reject {
            lines.append(
                "flow log of \(reject.interfaceID) (\(reject.node)): REJECT \(reject.flow), \(reject.packets) packets")
        }
        lines += Set(
            drops.compactMap { event in
                event.drop.map { "drop at \(event.node): \($0.reason) \(event.flow)" }
            }
        ).sorted()
        if !agent.node.impairments.isEmpty {
            lines.append("\(agent.node.name) has \(agent.node.impairments.joined(separator: "; "))")
        }
        return lines
    }
}

extension AgentsWithoutServer.Agent {
    /// Whether the agent asks another address or port than the server's own. That of a Service is one, too.
    func asksAnother(than server: ControlPlaneReading) -> Bool {
        guard let asked = connection.endpoint else { return false }
        return asked.host != server.address || asked.port != server.port
    }
}
