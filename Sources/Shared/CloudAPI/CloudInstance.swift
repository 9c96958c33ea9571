/// A node as the cloud knows it.
public struct CloudInstance: Codable, Sendable, Equatable {
    /// The identifier: `i-` and 17 hexadecimal digits.
    public var instanceID: String
    /// The node's name.
    public var node: String
    /// For example `t3.medium`.
    public var instanceType: String
    public var limits: InstanceLimits
    public var vpcCIDR: String
    /// All attached interfaces, ordered by device index. The first one is there from the node's start.
    public var interfaces: [CloudInterface]

    public init(
        instanceID: String, node: String, instanceType: String, limits: InstanceLimits, vpcCIDR: String,
        interfaces: [CloudInterface]
    ) {
        self.instanceID = instanceID
        self.node = node
        self.instanceType = instanceType
        self.limits = limits
        self.vpcCIDR = vpcCIDR
        self.interfaces = interfaces
    }
}

/// A network interface of the cloud (ENI).
public struct CloudInterface: Codable, Sendable, Equatable {
    /// The identifier: `eni-` and 17 hexadecimal digits.
    public var id: String
    /// The Ethernet address in lower case, by which the card is found in the node.
    public var mac: String
    public var subnetID: String
    /// For example `10.0.0.0/24`.
    public var subnetCIDR: String
    /// The address of the subnet's router.
    public var gateway: String
    /// 0 for the node's first interface. Nil while the interface is not attached.
    public var deviceIndex: Int?
    public var primaryAddress: String
    public var secondaryAddresses: [String]
    /// The delegated prefixes, each of length 28.
    public var prefixes: [String]
    public var securityGroups: [String]

    public init(
        id: String, mac: String, subnetID: String, subnetCIDR: String, gateway: String, deviceIndex: Int?,
        primaryAddress: String, secondaryAddresses: [String], prefixes: [String], securityGroups: [String]
    ) {
        self.id = id
        self.mac = mac
        self.subnetID = subnetID
        self.subnetCIDR = subnetCIDR
        self.gateway = gateway
        self.deviceIndex = deviceIndex
        self.primaryAddress = primaryAddress
        self.secondaryAddresses = secondaryAddresses
        self.prefixes = prefixes
        self.securityGroups = securityGroups
    }
}

/// A subnet of the VPC.
public struct CloudSubnet: Codable, Sendable, Equatable {
    public var id: String
    public var cidr: String
    public var gateway: String
    public var freeAddresses: Int

    public init(id: String, cidr: String, gateway: String, freeAddresses: Int) {
        self.id = id
        self.cidr = cidr
        self.gateway = gateway
        self.freeAddresses = freeAddresses
    }
}

/// How many interfaces and addresses an instance type allows (EC2 User Guide, "Maximum IP addresses per network
/// interface").
public struct InstanceLimits: Codable, Sendable, Hashable {
    public var interfaces: Int
    /// The addresses of one interface, with its primary one. A prefix takes the place of one secondary address.
    public var addressesPerInterface: Int

    public init(interfaces: Int, addressesPerInterface: Int) {
        self.interfaces = interfaces
        self.addressesPerInterface = addressesPerInterface
    }

    /// The types that a lab profile may name.
    public static let byType: [String: InstanceLimits] = [
        "t3.nano": InstanceLimits(interfaces: 2, addressesPerInterface: 2),
        "t3.micro": InstanceLimits(interfaces: 2, addressesPerInterface: 2),
        "t3.small": InstanceLimits(interfaces: 3, addressesPerInterface: 4),
        "t3.medium": InstanceLimits(interfaces: 3, addressesPerInterface: 6),
        "t3.large": InstanceLimits(interfaces: 3, addressesPerInterface: 12),
        "t3.xlarge": InstanceLimits(interfaces: 4, addressesPerInterface: 15),
        "m5.large": InstanceLimits(interfaces: 3, addressesPerInterface: 10),
        "m5.xlarge": InstanceLimits(interfaces: 4, addressesPerInterface: 15),
        "m5.4xlarge": InstanceLimits(interfaces: 8, addressesPerInterface: 30),
        "c5.large": InstanceLimits(interfaces: 3, addressesPerInterface: 10),
        "c5.xlarge": InstanceLimits(interfaces: 4, addressesPerInterface: 15),
    ]
}
