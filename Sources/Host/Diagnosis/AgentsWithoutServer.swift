import Readings

/// The agents that say of themselves that they are not connected to their API server, and why, beside what was read of
/// the server.
struct AgentsWithoutServer {
    struct Agent {
        let node: NodeReading
        let connection: ServerConnectionReading
        let reason: String
        let complaint: Complaint
    }

    /// What an agent's words say of how far its request came. They are those of the client that agents use.
    enum Complaint {
        /// No connection, or no answer in time.
        case noAnswer
        /// The server's certificate did not convince the agent.
        case certificate
        /// 401: the server does not know whose the request is.
        case unknownUser
        /// 403: the server knows it, and it may not do that.
        case forbidden
        /// What answers is no API server, or refuses for another reason.
        case other

        /// Whether somebody answered whom the agent does not like, or who does not like the agent.
        var isOfAnswer: Bool {
            switch self {
            case .certificate, .unknownUser, .forbidden: true
            case .noAnswer, .other: false
            }
        }

        init(_ words: String) {
            let lower = words.lowercased()
            self =
                if lower.contains("tls with the api server") || lower.contains("x509") {
                    lower.contains("certificate") ? .certificate : .other
                } else if words.contains("(401)") {
                    .unknownUser
                } else if words.contains("(403)") {
                    .forbidden
                } else if words.contains("API server unreachable") || words.contains("no answer of the API server") {
                    .noAnswer
                } else {
                    .other
                }
        }
    }

    let server: ControlPlaneReading
    let agents: [Agent]

    /// Nil if every agent that was asked is connected, or if nothing was read of the server.
    ///
    /// A node that does not run, or has no carrier, is left out: it reaches nobody, for a reason of its own.
    init?(_ evidence: Evidence) {
        guard let server = evidence.controlPlane else { return nil }
        agents = evidence.nodes.compactMap { node in
            guard node.power == .running, node.carrier != false, let connection = node.apiServer,
                !connection.isConnected, let reason = connection.reason
            else { return nil }
            return Agent(node: node, connection: connection, reason: reason, complaint: Complaint(reason))
        }
        guard !agents.isEmpty else { return nil }
        self.server = server
    }

    /// The servers without which the API server answers nobody, and that are not running while it does not answer even
    /// on its own host: it, and etcd.
    var missing: [ControlPlaneReading.Server] {
        guard !server.beside.isHealthy else { return [] }
        return ["kube-apiserver", "etcd"].compactMap { name in
            server.servers.first { $0.name == name && $0.state != .running }
        }
    }
}

extension AgentsWithoutServer.Agent {
    /// What the agent says, as a line of evidence.
    var line: String {
        "\(node.name): the agent has not been connected to \(connection.server) for \(Int(connection.seconds)) s: "
            + reason
    }
}
