public import NetAddress

/// What a VPC has besides its subnets and the nodes' interfaces.
///
/// Every part lives in a network namespace of its own, joined to the subnets' bridges by veth; the ends on the bridges
/// are captured as the nodes' taps are.
public struct CloudSpec: Codable, Sendable, Equatable {
    /// All addresses of the VPC.
    public var vpc: IPv4CIDR
    /// Routes of the VPC's route table besides those of its subnets and the one to the internet gateway.
    public var routes: [RouteSpec]
    /// Hosts on the subnets.
    public var hosts: [CloudHostSpec]
    /// Nil for a VPC without an internet gateway.
    public var internet: InternetSpec?
    /// The resolver's address, which no security group filters, as in AWS; nil without a resolver.
    public var resolver: IPv4Address?

    /// The address at which every node finds its metadata. It is link-local and the same in every VPC.
    public static let metadataAddress = IPv4Address(169, 254, 169, 254)

    public init(
        vpc: IPv4CIDR, routes: [RouteSpec] = [], hosts: [CloudHostSpec] = [], internet: InternetSpec? = nil,
        resolver: IPv4Address? = nil
    ) {
        self.vpc = vpc
        self.routes = routes
        self.hosts = hosts
        self.internet = internet
        self.resolver = resolver
    }
}

/// A route of the VPC's route table to a node's interface. While the interface is detached it leads nowhere.
public struct RouteSpec: Codable, Sendable, Hashable {
    public var destination: IPv4CIDR
    public var interfaceID: String

    public init(destination: IPv4CIDR, interfaceID: String) {
        self.destination = destination.network
        self.interfaceID = interfaceID
    }
}

/// A host of the VPC that is not a node.
public struct CloudHostSpec: Codable, Sendable, Hashable {
    /// The host's unique name, of letters, digits, `-`, `_` and `.`.
    public var name: String
    /// The name of the subnet that the host is in.
    public var subnet: String
    public var address: IPv4Address
    /// The security groups that count the host as a member. It has no rules of its own: what it sends and receives is
    /// filtered at the nodes' interfaces only.
    public var groups: [String]

    public init(name: String, subnet: String, address: IPv4Address, groups: [String] = []) {
        self.groups = groups
        self.name = name
        self.subnet = subnet
        self.address = address
    }
}

/// The world beyond the internet gateway: one host with several addresses.
public struct InternetSpec: Codable, Sendable, Equatable {
    /// Name of the host, and of its place in captures.
    public var name: String
    /// The network between gateway and host; the gateway has its first address.
    public var network: IPv4CIDR
    /// The host's address in it.
    public var address: IPv4Address
    /// Further addresses of the host, which need not be in `network`.
    public var further: [IPv4Address]
    /// The network that the nodes' public addresses are taken from.
    public var publicNetwork: IPv4CIDR

    public init(
        name: String, network: IPv4CIDR, address: IPv4Address, further: [IPv4Address], publicNetwork: IPv4CIDR
    ) {
        self.name = name
        self.network = network.network
        self.address = address
        self.further = further
        self.publicNetwork = publicNetwork.network
    }

    var gateway: IPv4Address { network.host(1) ?? network.address }
}

/// A packet that the VPC router or the internet gateway discarded.
public struct RouterDiscard: Codable, Sendable, Hashable {
    /// Why a packet was discarded.
    public enum Reason: String, Codable, Sendable, CaseIterable {
        /// No subnet and no route contains the source address, so the VPC would not know where to send an answer.
        case sourceUnknown = "source-unknown"
        /// No subnet and no route contains the destination address, and it is no address of the internet either.
        case destinationUnknown = "destination-unknown"
        /// The packet was for the internet, and its source address has no public address.
        case noPublicAddress = "no-public-address"
        /// The packet came from the internet, and nobody has the public address that it was for.
        case publicAddressUnknown = "public-address-unknown"
    }
    public var reason: Reason
    public var header: FlowHeader
    /// When the packet was discarded, in nanoseconds on the clock of `MonotonicTime.now`.
    public var time: Int64

    public init(reason: Reason, header: FlowHeader, time: Int64) {
        self.reason = reason
        self.header = header
        self.time = time
    }
}

/// An answer from the bounded memory of discarded packets.
public struct DiscardPage: Sendable {
    /// The discarded packets, oldest first.
    public var discards: [RouterDiscard]
    /// False when records since the asked moment may be missing.
    public var isComplete: Bool

    public init(discards: [RouterDiscard], isComplete: Bool) {
        self.discards = discards
        self.isComplete = isComplete
    }
}
