public import NetAddress

/// What a fabric is made of before any interface is attached.
public struct FabricSpec: Codable, Sendable, Equatable {
    public var subnets: [SubnetSpec]
    public var securityGroups: [SecurityGroup]
    /// The account's id as the flow log prints it: twelve digits.
    public var accountID: String
    /// The MTU of bridges and taps, in bytes from the IP header on.
    public var mtu: Int
    /// The netfilter log group that denied packets are sent to; unique in the network namespace.
    public var logGroup: UInt16
    /// How taps are captured; nil to capture nothing. The flow log then has no ACCEPT records.
    public var capture: CaptureSpec?
    /// Existing directory for pcapng files and the flow log; nil to write none.
    public var outputDirectory: String?
    /// Router, hosts and internet; nil for a VPC of subnets alone. Each bridge then has its gateway's address, and
    /// nothing is routed.
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
    /// The name of the subnet's bridge, at most 15 bytes.
    public var bridge: String
    /// The gateway's address; by default the first one after the network's own, as in AWS.
    public var gateway: IPv4Address
    /// Whether the VPC's router has an interface in the subnet. Without one, other subnets are out of reach.
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
    /// The interface's id as flow logs name it: `eni-` and hexadecimal digits.
    public var interfaceID: String
    public var node: String
    /// The name of the tap in the lab's network namespace, at most 15 bytes.
    public var tap: String
    public var mac: MACAddress
    public var address: IPv4Address
    /// The name of the subnet that the interface is in.
    public var subnet: String
    /// The names of the interface's security groups.
    public var groups: [String]
    /// Whether packets are dropped that the node sends with another source than its own addresses, or would receive for
    /// another destination.
    public var sourceDestinationCheck: Bool
    /// Further addresses of the interface; those of delegated prefixes one by one.
    public var secondaryAddresses: [IPv4Address]
    /// The public address that the internet gateway translates `address` to; nil for an interface without one.
    public var publicAddress: IPv4Address?

    /// All addresses of the interface, the primary one first.
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
    /// How many bytes of each packet are kept.
    public var snapLength: Int
    /// The size of the kernel's buffer of a tap in bytes. It counts as resident memory of the process.
    public var bufferSize: Int
    /// How many bytes of pcapng files are kept on disk for a tap, in two segments of half that size.
    public var ringSize: Int
    /// How many decoded packets are kept in memory for a tap.
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
