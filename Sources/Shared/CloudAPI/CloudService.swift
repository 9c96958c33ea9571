/// Where a node finds the lab's cloud: HTTP/1.1 at the instance metadata address, reached over the node's own network.
///
/// `GET /latest/meta-data/…` answers in the paths of EC2's instance metadata. `POST` of a `CloudRequest` as JSON to
/// `path` answers 200 with a `CloudReply`, or 400 with a `CloudFailure`. Who asks is known by the source address: a
/// node sees and changes its own interfaces only. One request a connection; a body has at most `longestBody` bytes.
public enum CloudService {
    public static let address = "169.254.169.254"
    public static let port: UInt16 = 80
    public static let path = "/cloud/v1"
    /// Bytes of a request's or an answer's body.
    public static let longestBody = 65_536
}

/// What may be asked; the names are EC2's.
public enum CloudAction: String, Codable, Sendable, CaseIterable {
    /// Who am I: type, limits, all attached interfaces.
    case describeInstance = "DescribeInstance"
    /// Subnets with their free addresses.
    case describeSubnets = "DescribeSubnets"
    /// Makes an interface with a primary address, and `count` secondary addresses or `prefixCount` prefixes.
    case createNetworkInterface = "CreateNetworkInterface"
    /// Plugs a made interface into the node: the card appears in it before the answer comes.
    case attachNetworkInterface = "AttachNetworkInterface"
    /// Unplugs it: the card is gone from the node before the answer comes.
    case detachNetworkInterface = "DetachNetworkInterface"
    case deleteNetworkInterface = "DeleteNetworkInterface"
    /// Assigns `count` secondary addresses, or `prefixCount` /28 prefixes, of the interface's subnet.
    case assignPrivateIpAddresses = "AssignPrivateIpAddresses"
    /// Takes `addresses` and `prefixes` away.
    case unassignPrivateIpAddresses = "UnassignPrivateIpAddresses"
}

/// One request; what an action does not need is left out.
public struct CloudRequest: Codable, Sendable, Equatable {
    public var action: CloudAction
    public var networkInterfaceID: String?
    /// Creating: nil is the subnet of the node's first interface.
    public var subnetID: String?
    /// Creating: nil are the groups of the node's first interface.
    public var securityGroups: [String]?
    /// Attaching: 1 and up; nil is the lowest free one.
    public var deviceIndex: Int?
    public var count: Int?
    public var prefixCount: Int?
    /// Dotted.
    public var addresses: [String]?
    /// `10.0.0.32/28`
    public var prefixes: [String]?

    public init(
        _ action: CloudAction, networkInterfaceID: String? = nil, subnetID: String? = nil,
        securityGroups: [String]? = nil, deviceIndex: Int? = nil, count: Int? = nil, prefixCount: Int? = nil,
        addresses: [String]? = nil, prefixes: [String]? = nil
    ) {
        self.action = action
        self.networkInterfaceID = networkInterfaceID
        self.subnetID = subnetID
        self.securityGroups = securityGroups
        self.deviceIndex = deviceIndex
        self.count = count
        self.prefixCount = prefixCount
        self.addresses = addresses
        self.prefixes = prefixes
    }
}

/// The answer to a request that was carried out.
public struct CloudReply: Codable, Sendable, Equatable {
    /// Of `DescribeInstance`.
    public var instance: CloudInstance?
    /// Of `DescribeSubnets`.
    public var subnets: [CloudSubnet]?
    /// The interface as it is now, of every action on one.
    public var interface: CloudInterface?

    public init(instance: CloudInstance? = nil, subnets: [CloudSubnet]? = nil, interface: CloudInterface? = nil) {
        self.instance = instance
        self.subnets = subnets
        self.interface = interface
    }
}

/// Why a request was not carried out. Nothing was changed.
public struct CloudFailure: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// EC2's error codes.
    public enum Code: String, Codable, Sendable, CaseIterable {
        case attachmentLimitExceeded = "AttachmentLimitExceeded"
        case privateIpAddressLimitExceeded = "PrivateIpAddressLimitExceeded"
        case insufficientFreeAddressesInSubnet = "InsufficientFreeAddressesInSubnet"
        case insufficientCidrBlocks = "InsufficientCidrBlocks"
        case invalidNetworkInterfaceNotFound = "InvalidNetworkInterfaceID.NotFound"
        case invalidNetworkInterfaceInUse = "InvalidNetworkInterface.InUse"
        case invalidSubnetNotFound = "InvalidSubnetID.NotFound"
        case invalidGroupNotFound = "InvalidGroup.NotFound"
        case invalidParameterValue = "InvalidParameterValue"
        case operationNotPermitted = "OperationNotPermitted"
        /// The cloud itself failed, for example plugging the card.
        case internalError = "InternalError"
    }
    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
