public struct HealthRequest: Codable, Sendable {
    /// How long each probe may take, in milliseconds.
    public let deadlineMillis: Int
    public init(deadlineMillis: Int) { self.deadlineMillis = deadlineMillis }
}

/// One node seen from this one: the node itself over the underlay, and its health endpoint over the datapath.
public struct HealthPeer: Codable, Sendable, Hashable {
    public let name: String
    public let address: String
    public let isLocal: Bool
    public let nodeReachable: Bool
    public let endpointReachable: Bool
    public let nodeLatencyMicros: Int?
    public let endpointLatencyMicros: Int?
    public init(
        name: String, address: String, isLocal: Bool, nodeReachable: Bool, endpointReachable: Bool,
        nodeLatencyMicros: Int?, endpointLatencyMicros: Int?
    ) {
        self.name = name
        self.address = address
        self.isLocal = isLocal
        self.nodeReachable = nodeReachable
        self.endpointReachable = endpointReachable
        self.nodeLatencyMicros = nodeLatencyMicros
        self.endpointLatencyMicros = endpointLatencyMicros
    }
}

/// The health of all nodes, similar to `cilium-health status`: `reachable/total` counts the nodes that are reachable in
/// both ways, and this node is one of them.
public struct HealthReport: Codable, Sendable {
    public let nodeName: String
    public let reachable: Int
    public let total: Int
    public let peers: [HealthPeer]
    public init(nodeName: String, reachable: Int, total: Int, peers: [HealthPeer]) {
        self.nodeName = nodeName
        self.reachable = reachable
        self.total = total
        self.peers = peers
    }
}
