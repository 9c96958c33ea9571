/// How many requests a control plane's API server had in a run, by its audit log. Questions for its health and the
/// heartbeats of nodes and leaders are not in that log.
public struct APIRequestCounts: Codable, Sendable, Hashable {
    /// One kind of client. Its texts are untrusted.
    public struct Client: Codable, Sendable, Hashable {
        /// What it calls itself: `kubelet`, `datapathd`, `kubectl`.
        public let name: String
        /// The user that RBAC knows; of the users of several nodes the common part, `system:node:*`.
        public let user: String
        /// How many addresses its requests came from.
        public let addresses: Int
        /// Requests by verb: `list`, `watch`, `get`, `create`, `update`, `patch`, `delete`, and `other`.
        public let verbs: [String: Int]
        /// Of these, the requests that were answered with a status from 400 on.
        public let refused: Int
        public init(name: String, user: String, addresses: Int, verbs: [String: Int], refused: Int) {
            self.name = name
            self.user = user
            self.addresses = addresses
            self.verbs = verbs
            self.refused = refused
        }

        public var requests: Int { verbs.values.reduce(0, +) }
        public func count(of verb: String) -> Int { verbs[verb] ?? 0 }
    }

    /// The verbs that are told apart, in the order of a table.
    public static let verbs = ["list", "watch", "get", "create", "update", "patch", "delete", "other"]

    /// The clients, the one with most requests first.
    public let clients: [Client]
    /// Lines of the log that could not be read.
    public let unreadLines: Int
    public init(clients: [Client], unreadLines: Int) {
        self.clients = clients
        self.unreadLines = unreadLines
    }

    public func count(of verb: String) -> Int { clients.reduce(0) { $0 + $1.count(of: verb) } }
}
