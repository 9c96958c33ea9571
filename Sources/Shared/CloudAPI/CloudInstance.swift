/// A node as the cloud knows it.
public struct CloudInstance: Codable, Sendable, Equatable {
    /// `i-` and 17 hexadecimal digits.
    public var instanceID: String
    /// The node's name.
    public var node: String
    /// `t3.medium`
    public var instanceType: String
    public var limits: InstanceLimits
    public var vpcCIDR: String
    /// All attached interfaces by device index; the first one is the node's own.
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
    /// `eni-` and 17 hexadecimal digits.
    public var id: String
    /// Lower case; finds the card in the node.
    public var mac: String
    public var subnetID: String
    /// `10.0.0.0/24`
    public var subnetCIDR: String
    /// The subnet's router.
    public var gateway: String
    /// 0 is the node's first; nil while it is attached nowhere.
    public var deviceIndex: Int?
    public var primaryAddress: String
    public var secondaryAddresses: [String]
    /// Delegated prefixes, /28 each.
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

/// What an instance type allows: "Maximum IP addresses per network interface", EC2 User Guide.
public struct InstanceLimits: Codable, Sendable, Hashable {
    public var interfaces: Int
    /// Of one interface, its primary address included. A prefix takes the place of one secondary address.
    public var addressesPerInterface: Int

    public init(interfaces: Int, addressesPerInterface: Int) {
        self.interfaces = interfaces
        self.addressesPerInterface = addressesPerInterface
    }

    /// Types that a lab profile may name.
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
