public import NetAddress

/// What a fabric is made of before any interface is attached.
public struct FabricSpec: Codable, Sendable, Equatable {
    public var subnets: [SubnetSpec]
    public var securityGroups: [SecurityGroup]
    /// Twelve digits, as the flow log prints it.
    public var accountID: String
    /// Bytes of layer 3 on bridges and taps.
    public var mtu: Int
    /// The netfilter log group that denied packets are sent to; unique in the network namespace.
    public var logGroup: UInt16
    /// Nil for a fabric that captures nothing; the flow log then has no ACCEPT records.
    public var capture: CaptureSpec?
    /// Existing directory for pcapng files and the flow log; nil to write none.
    public var outputDirectory: String?
    /// Nil for a VPC of subnets alone: each bridge then has its gateway's address, and nothing is routed.
    public var cloud: CloudSpec?

    public init(
        subnets: [SubnetSpec], securityGroups: [SecurityGroup], accountID: String = "123456789012", mtu: Int = 1500,
        logGroup: UInt16 = 100, capture: CaptureSpec? = CaptureSpec(), outputDirectory: String? = nil,
        cloud: CloudSpec? = nil
    ) {
        self.subnets = subnets
        self.securityGroups = securityGroups
        self.accountID = accountID
        self.mtu = mtu
        self.logGroup = logGroup
        self.capture = capture
        self.outputDirectory = outputDirectory
        self.cloud = cloud
    }
}

/// A subnet of the VPC: one bridge, with the gateway's address on it.
public struct SubnetSpec: Codable, Sendable, Equatable {
    public var name: String
    public var cidr: IPv4CIDR
    /// Interface name, at most 15 bytes.
    public var bridge: String
    /// By default the first address after the network's, as in AWS.
    public var gateway: IPv4Address
    /// Whether the VPC's router has a leg in it; what is in another subnet is else out of reach.
    public var isRouted: Bool

    public init(
        name: String, cidr: IPv4CIDR, bridge: String, gateway: IPv4Address? = nil, isRouted: Bool = true
    ) {
        self.isRouted = isRouted
        self.name = name
        self.cidr = cidr.network
        self.bridge = bridge
        self.gateway = gateway ?? cidr.host(1) ?? cidr.address
    }
}

/// A network interface of a node.
public struct NICSpec: Codable, Sendable, Hashable {
    /// `eni-` and hexadecimal digits, as flow logs name it.
    public var interfaceID: String
    public var node: String
    /// Interface name in the lab's namespace, at most 15 bytes.
    public var tap: String
    public var mac: MACAddress
    public var address: IPv4Address
    /// A subnet's name.
    public var subnet: String
    /// Security groups, by name.
    public var groups: [String]
    /// Drop what the node sends with another source, or would receive for another destination, than its own addresses.
    public var sourceDestinationCheck: Bool
    /// Further addresses of the interface; those of delegated prefixes one by one.
    public var secondaryAddresses: [IPv4Address]
    /// What an internet gateway makes of `address`; nil for an interface without.
    public var publicAddress: IPv4Address?

    /// The primary address first.
    public var addresses: [IPv4Address] { [address] + secondaryAddresses }

    public init(
        interfaceID: String, node: String, tap: String, mac: MACAddress, address: IPv4Address, subnet: String,
        groups: [String], sourceDestinationCheck: Bool = true, secondaryAddresses: [IPv4Address] = [],
        publicAddress: IPv4Address? = nil
    ) {
        self.secondaryAddresses = secondaryAddresses
        self.publicAddress = publicAddress
        self.interfaceID = interfaceID
        self.node = node
        self.tap = tap
        self.mac = mac
        self.address = address
        self.subnet = subnet
        self.groups = groups
        self.sourceDestinationCheck = sourceDestinationCheck
    }
}

/// How taps are captured.
public struct CaptureSpec: Codable, Sendable, Equatable {
    /// Bytes kept of each packet.
    public var snapLength: Int
    /// Kernel buffer of a tap, bytes. It counts as resident memory of the process.
    public var bufferSize: Int
    /// pcapng kept on disk of a tap, bytes, in two segments of half that size.
    public var ringSize: Int
    /// Decoded packets kept in memory of a tap.
    public var indexCapacity: Int

    public init(
        snapLength: Int = 128, bufferSize: Int = 4 << 20, ringSize: Int = 8 << 20, indexCapacity: Int = 32_768
    ) {
        self.snapLength = snapLength
        self.bufferSize = bufferSize
        self.ringSize = ringSize
        self.indexCapacity = indexCapacity
    }
}
