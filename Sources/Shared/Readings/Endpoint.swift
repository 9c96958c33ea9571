/// What an endpoint of the matrix is. Raw values are those of `report.json`.
public enum EndpointKind: String, Codable, Sendable, CaseIterable {
    case pod, node, service, external
    case controlPlane = "control-plane"
    /// A host of the VPC that is no node, such as a database.
    case vpcHost = "vpc-host"
    /// The VPC's resolver.
    case vpcDNS = "vpc-dns"
    /// A host beyond the internet gateway.
    case internet

    /// Whether such endpoints are hosts of the lab's cloud.
    public var isCloudHost: Bool { self == .vpcHost || self == .vpcDNS || self == .internet }
}

/// One who can reach or be reached: a row and a column of the matrix.
public struct Endpoint: Codable, Sendable, Hashable, Identifiable {
    /// Unique in a run: `default/web-1` for a pod, `node/node1` for a node.
    public let id: String
    public let kind: EndpointKind
    /// Name of the node it runs on (a node runs on itself); nil outside the cluster.
    public let node: String?
    public let namespace: String?
    /// IPv4 address, dotted.
    public let address: String
    /// Port that answers TCP and UDP echo there.
    public let port: UInt16
    public let labels: [String: String]
    /// The one protocol that it answers; nil: all.
    public let `protocol`: ProbeProtocol?

    public init(
        id: String, kind: EndpointKind, node: String?, namespace: String?, address: String, port: UInt16,
        labels: [String: String], protocol: ProbeProtocol? = nil
    ) {
        self.id = id
        self.kind = kind
        self.node = node
        self.namespace = namespace
        self.address = address
        self.port = port
        self.labels = labels
        self.protocol = `protocol`
    }

    /// Whether packets can be sent from it: a service is an address only.
    public var isSender: Bool { kind != .service }

    /// Those of the protocols that it answers.
    public func answered(of protocols: [ProbeProtocol]) -> [ProbeProtocol] {
        `protocol`.map { only in protocols.filter { $0 == only } } ?? protocols
    }
}
