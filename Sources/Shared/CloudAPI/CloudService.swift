/// Where a node finds the lab's cloud. It speaks HTTP/1.1 at the address of the instance metadata, which a node reaches
/// over its own network.
///
/// `GET /latest/meta-data/…` is answered in the paths of EC2's instance metadata. A `POST` to `path` of a
/// `CloudRequest` as JSON is answered by 200 with a `CloudReply`, or by 400 with a `CloudFailure`. The cloud knows by
/// the source address who asks, and a node sees and changes only its own interfaces. A connection carries one request.
public enum CloudService {
    public static let address = "169.254.169.254"
    public static let port: UInt16 = 80
    public static let path = "/cloud/v1"
    /// Where the owner of the machines asks, see `AccountAction`.
    public static let accountPath = "/account/v1"
    /// The largest body of a request or an answer, in bytes.
    public static let longestBody = 65_536
}

/// What may be asked. The names are those of EC2's API.
public enum CloudAction: String, Codable, Sendable, CaseIterable {
    /// Describes the node that asks: its type, its limits and its attached interfaces.
    case describeInstance = "DescribeInstance"
    /// Describes the subnets and how many free addresses they have.
    case describeSubnets = "DescribeSubnets"
    /// Creates an interface with a primary address, and `count` secondary addresses or `prefixCount` prefixes.
    case createNetworkInterface = "CreateNetworkInterface"
    /// Attaches an interface to the node. The card is in the node before the answer comes.
    case attachNetworkInterface = "AttachNetworkInterface"
    /// Detaches an interface. The card is gone from the node before the answer comes.
    case detachNetworkInterface = "DetachNetworkInterface"
    /// Deletes an interface that is not attached.
    case deleteNetworkInterface = "DeleteNetworkInterface"
    /// Assigns `count` secondary addresses, or `prefixCount` /28 prefixes, of the interface's subnet.
    case assignPrivateIpAddresses = "AssignPrivateIpAddresses"
    /// Takes `addresses` and `prefixes` from the interface.
    case unassignPrivateIpAddresses = "UnassignPrivateIpAddresses"
}

/// One request. What an action does not need is left out.
public struct CloudRequest: Codable, Sendable, Equatable {
    public var action: CloudAction
    public var networkInterfaceID: String?
    /// The subnet in which to create the interface. Nil means that of the node's first interface.
    public var subnetID: String?
    /// The security groups of the interface to create. Nil means those of the node's first interface.
    public var securityGroups: [String]?
    /// Where to attach the interface, from 1. Nil means the lowest free index.
    public var deviceIndex: Int?
    public var count: Int?
    public var prefixCount: Int?
    /// Dotted addresses to take away.
    public var addresses: [String]?
    /// Prefixes to take away, such as `10.0.0.32/28`.
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
    /// Answers `DescribeInstance`.
    public var instance: CloudInstance?
    /// Answers `DescribeSubnets`.
    public var subnets: [CloudSubnet]?
    /// The interface as it is after the action, for every action on an interface.
    public var interface: CloudInterface?

    public init(instance: CloudInstance? = nil, subnets: [CloudSubnet]? = nil, interface: CloudInterface? = nil) {
        self.instance = instance
        self.subnets = subnets
        self.interface = interface
    }
}

/// Why a request was not carried out. Nothing was changed.
public struct CloudFailure: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// The error codes of EC2's API.
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
        /// No machine of the type is left.
        case insufficientInstanceCapacity = "InsufficientInstanceCapacity"
        case invalidInstanceNotFound = "InvalidInstanceID.NotFound"
        case routeAlreadyExists = "RouteAlreadyExists"
        case routeLimitExceeded = "RouteLimitExceeded"
        case invalidRouteNotFound = "InvalidRoute.NotFound"
        /// The cloud itself failed, for example to attach the card.
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
