/// The kind of an endpoint in the matrix. Raw values are those of `report.json`.
public enum EndpointKind: String, Codable, Sendable, CaseIterable {
    case pod, node, service, external
    /// The host of the lab's API server. It answers TCP only, at the server's port.
    case controlPlane = "control-plane"
    /// A host of the VPC other than a node, such as a database.
    case vpcHost = "vpc-host"
    /// The VPC's resolver.
    case vpcDNS = "vpc-dns"
    /// A host beyond the internet gateway.
    case internet

    /// Says whether such endpoints are hosts of the lab's cloud.
    public var isCloudHost: Bool {
        self == .vpcHost || self == .vpcDNS || self == .internet || self == .controlPlane
    }
}

/// A sender or receiver of probes, with a row and a column in the matrix.
public struct Endpoint: Codable, Sendable, Hashable, Identifiable {
    /// Unique in a run: `default/web-1` for a pod, `node/node1` for a node.
    public let id: String
    public let kind: EndpointKind
    /// The name of the node that it runs on (a node runs on itself); nil outside of the cluster.
    public let node: String?
    public let namespace: String?
    /// IPv4 address, dotted.
    public let address: String
    /// The port at which it answers TCP and UDP echoes.
    public let port: UInt16
    public let labels: [String: String]
    /// The only protocol that it answers, or nil if it answers all.
    public let `protocol`: ProbeProtocol?
    /// The pod's own name where the id has another one: pods of an API server's workloads have names that nobody knows
    /// beforehand. Nil where the id has it.
    public let ownName: String?

    public init(
        id: String, kind: EndpointKind, node: String?, namespace: String?, address: String, port: UInt16,
        labels: [String: String], protocol: ProbeProtocol? = nil, ownName: String? = nil
    ) {
        self.ownName = ownName
        self.id = id
        self.kind = kind
        self.node = node
        self.namespace = namespace
        self.address = address
        self.port = port
        self.labels = labels
        self.protocol = `protocol`
    }

    /// Says whether it can send packets. A service is only an address.
    public var isSender: Bool { kind != .service }

    /// Returns those of the protocols that it answers.
    public func answered(of protocols: [ProbeProtocol]) -> [ProbeProtocol] {
        `protocol`.map { only in protocols.filter { $0 == only } } ?? protocols
    }
}
