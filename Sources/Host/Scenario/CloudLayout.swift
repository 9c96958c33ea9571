import NetAddress
import Readings
import ScenarioReading

/// What the lab's cloud has besides the nodes' first subnet: of a lab profile's `vpc` and `nodes`.
public struct CloudLayout: Codable, Sendable, Equatable {
    public struct Subnet: Codable, Sendable, Equatable {
        public var name: String
        public var cidr: String
        /// Whether the VPC's router has a leg in it.
        public var routed: Bool
    }
    public struct Host: Codable, Sendable, Equatable {
        public var name: String
        public var subnet: String
        public var address: String
    }
    public struct Route: Codable, Sendable, Equatable {
        public var destination: String
        /// `node1`, or `node1/eth1`.
        public var target: String
    }
    public struct Interface: Codable, Sendable, Equatable {
        /// `eth1`
        public var name: String
        public var subnet: String
        public var securityGroups: [String]
        public var sourceDestinationCheck: Bool
    }

    /// Besides the nodes' first one, which is named `nodes`.
    public var subnets: [Subnet] = []
    public var hosts: [Host] = []
    public var routes: [Route] = []
    /// Names of the VPC's resolver and their addresses, besides those of nodes and hosts.
    public var records: [String: [String]] = CloudLayout.usualRecords
    public var internetGateway = true
    /// Further interfaces of every node.
    public var interfaces: [Interface] = []
    /// Of every node.
    public var instanceType = "m5.large"

    public init() {}

    /// The name of the nodes' first subnet.
    public static let firstSubnet = "nodes"
    /// Where hosts of the cloud answer probes: the port of echo (RFC 862).
    public static let echoPort: UInt16 = 7
    public static let internetAddresses = ["203.0.113.10", "1.1.1.1"]
    static let usualRecords = [
        "example.com": ["203.0.113.10"], "*.any.example.com": ["203.0.113.10"], "one.one.one.one": ["1.1.1.1"],
    ]

    /// The network namespace of the resolver, of the internet host.
    public static let resolverHost = "vpc-dns"
    public static let internetHost = "internet"
}

extension LabProfile {
    /// The VPC's resolver: the second address of the VPC, as in AWS, where that is in the nodes' subnet, else of that
    /// one.
    public var resolverAddress: String {
        guard let subnet = IPv4CIDR(network: subnetCIDR) else { return "" }
        return IPv4Address(rawValue: subnet.address.rawValue &+ 2).description
    }

    /// Endpoints of the matrix that are hosts of the cloud.
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
    }

    /// The cloud's host that an endpoint is; nil for every other endpoint.
    public static func cloudHost(of endpoint: Endpoint) -> String? {
        switch endpoint.kind {
        case .vpcDNS: CloudLayout.resolverHost
        case .vpcHost: endpoint.id.split(separator: "/").last.map(String.init)
        case .internet: CloudLayout.internetHost
        default: nil
        }
    }
}
