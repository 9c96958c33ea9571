import NetAddress
import Readings
import ScenarioReading

/// What the lab's cloud has besides the nodes' first subnet, from a lab profile's `vpc` and `nodes`.
public struct CloudLayout: Codable, Sendable, Equatable {
    public struct Subnet: Codable, Sendable, Equatable {
        public var name: String
        public var cidr: String
        /// Whether the VPC's router has an interface in the subnet.
        public var routed: Bool
    }
    public struct Host: Codable, Sendable, Equatable {
        public var name: String
        public var subnet: String
        public var address: String
    }
    public struct Route: Codable, Sendable, Equatable {
        public var destination: String
        /// The target, `node1` or `node1/eth1`.
        public var target: String
    }
    public struct Interface: Codable, Sendable, Equatable {
        /// The interface's name, such as `eth1`.
        public var name: String
        public var subnet: String
        public var securityGroups: [String]
        public var sourceDestinationCheck: Bool
    }

    /// The subnets besides the nodes' first one, which is named `nodes`.
    public var subnets: [Subnet] = []
    public var hosts: [Host] = []
    public var routes: [Route] = []
    /// The names that the VPC's resolver knows, with their addresses, besides those of nodes and hosts.
    public var records: [String: [String]] = CloudLayout.usualRecords
    public var internetGateway = true
    /// The further interfaces of every node.
    public var interfaces: [Interface] = []
    /// The instance type of every node.
    public var instanceType = "m5.large"

    public init() {}

    /// The name of the nodes' first subnet.
    public static let firstSubnet = "nodes"
    /// The port at which hosts of the cloud answer probes, which is that of echo (RFC 862).
    public static let echoPort: UInt16 = 7
    public static let internetAddresses = ["203.0.113.10", "1.1.1.1"]
    static let usualRecords = [
        "example.com": ["203.0.113.10"], "*.any.example.com": ["203.0.113.10"], "one.one.one.one": ["1.1.1.1"],
    ]

    /// The names of the network namespaces of the resolver and of the internet host.
    public static let resolverHost = "vpc-dns"
    public static let internetHost = "internet"
    /// The namespace that has the address of the cloud's load balancers.
    public static let balancerHost = "load-balancers"
}

extension LabProfile {
    /// The address of the VPC's resolver. It is the second address of the VPC, as in AWS, if that is in the nodes'
    /// subnet, and otherwise the second address of that subnet.
    public var resolverAddress: String {
        guard let subnet = IPv4CIDR(network: subnetCIDR) else { return "" }
        return IPv4Address(rawValue: subnet.address.rawValue &+ 2).description
    }

    /// The endpoints of the matrix that are hosts of the cloud.
    public var cloudEndpoints: [Endpoint] {
        func endpoint(_ id: String, _ kind: EndpointKind, _ address: String) -> Endpoint {
            Endpoint(
                id: id, kind: kind, node: nil, namespace: nil, address: address, port: CloudLayout.echoPort, labels: [:]
            )
        }
        return [endpoint("vpc/dns", .vpcDNS, resolverAddress)]
            + cloud.hosts.map { endpoint("vpc/\($0.name)", .vpcHost, $0.address) }
            + (cloud.internetGateway
                ? CloudLayout.internetAddresses.map { endpoint("internet/\($0)", .internet, $0) } : [])
            + [controlPlaneEndpoint].compactMap { $0 }
    }

    /// The API server, which takes TCP connections at its own port and knows nothing of probes.
    private var controlPlaneEndpoint: Endpoint? {
        controlPlaneAddress.map { address in
            Endpoint(
                id: "vpc/\(ControlPlaneLayout.host)", kind: .controlPlane, node: nil, namespace: nil, address: address,
                port: ControlPlaneLayout.port, labels: [:], protocol: .tcp)
        }
    }

    /// Returns the name of the cloud's host that an endpoint stands for, or nil for every other endpoint.
    public static func cloudHost(of endpoint: Endpoint) -> String? {
        switch endpoint.kind {
        case .vpcDNS: CloudLayout.resolverHost
        case .vpcHost: endpoint.id.split(separator: "/").last.map(String.init)
        case .internet: CloudLayout.internetHost
        case .controlPlane: ControlPlaneLayout.host
        default: nil
        }
    }
}
