import CDatapathABI

/// Why a packet was dropped, or what else a metric counts. Negative numbers are drops. A number never gets another
/// meaning; names come from the header that the BPF programs share.
public struct Reason: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    init(_ code: dp_reason) {
        rawValue = Int32(code.rawValue)
    }

    public static let invalidSource = Reason(DP_DROP_INVALID_SOURCE)
    public static let truncated = Reason(DP_DROP_TRUNCATED)
    public static let invalidIPv4Header = Reason(DP_DROP_INVALID_IPV4_HEADER)
    public static let unsupportedL3 = Reason(DP_DROP_UNSUPPORTED_L3)
    public static let unsupportedDestination = Reason(DP_DROP_UNSUPPORTED_DESTINATION)
    public static let unsupportedARP = Reason(DP_DROP_UNSUPPORTED_ARP)
    public static let unknownInterface = Reason(DP_DROP_UNKNOWN_INTERFACE)
    public static let unknownEndpoint = Reason(DP_DROP_UNKNOWN_ENDPOINT)
    public static let noTunnelEndpoint = Reason(DP_DROP_NO_TUNNEL_ENDPOINT)
    public static let ttlExceeded = Reason(DP_DROP_TTL_EXCEEDED)
    public static let noTunnelKey = Reason(DP_DROP_NO_TUNNEL_KEY)
    public static let tunnelKeyRefused = Reason(DP_DROP_TUNNEL_KEY_REFUSED)
    public static let invalidIdentity = Reason(DP_DROP_INVALID_IDENTITY)
    public static let notConfigured = Reason(DP_DROP_NOT_CONFIGURED)
    public static let bandwidthExceeded = Reason(DP_DROP_BANDWIDTH_EXCEEDED)
    public static let neighbourChatter = Reason(DP_DROP_NEIGHBOUR_CHATTER)
    public static let fragmentNotFound = Reason(DP_DROP_FRAGMENT_NOT_FOUND)
    public static let connectionInsertionFailed = Reason(DP_DROP_CT_INSERTION_FAILED)
    public static let policyDeniedIngress = Reason(DP_DROP_POLICY_DENIED_INGRESS)
    public static let policyDeniedEgress = Reason(DP_DROP_POLICY_DENIED_EGRESS)
    public static let policyDenyRule = Reason(DP_DROP_POLICY_DENY_RULE)
    public static let natNoPort = Reason(DP_DROP_NAT_NO_PORT)
    public static let natUnsupportedProtocol = Reason(DP_DROP_NAT_UNSUPPORTED_PROTOCOL)
    public static let natNoMapping = Reason(DP_DROP_NAT_NO_MAPPING)
    public static let natRefused = Reason(DP_DROP_NAT_REFUSED)
    public static let noServiceBackend = Reason(DP_DROP_NO_SERVICE_BACKEND)
    public static let serviceRefused = Reason(DP_DROP_SERVICE_REFUSED)
    public static let unknownFrontend = Reason(DP_DROP_UNKNOWN_FRONTEND)
    public static let proxyUnavailable = Reason(DP_DROP_PROXY_UNAVAILABLE)
    /// The HTTP proxy reports this reason; no BPF program does.
    public static let policyDeniedRequest = Reason(DP_DROP_POLICY_DENIED_REQUEST)
    /// The DNS proxy reports this reason; no BPF program does.
    public static let policyDeniedName = Reason(DP_DROP_POLICY_DENIED_NAME)
    public static let fragmentationNeeded = Reason(DP_DROP_FRAGMENTATION_NEEDED)
    public static let forwarded = Reason(DP_FORWARDED)
    /// An event that found the ring buffer full.
    public static let eventLost = Reason(DP_EVENT_LOST)

    /// Every drop reason of this build.
    public static let drops: [Reason] = Array(
        sequence(state: UInt32(0)) { position in
            defer { position += 1 }
            let code = dp_reason_at(position)
            return code < 0 ? Reason(rawValue: code) : nil
        })

    public var isDrop: Bool { rawValue < 0 }

    /// The reason's name, for example `invalid-source`; the number itself for a code that this build does not know.
    public var name: String {
        dp_reason_slug(rawValue).map { String(cString: $0) } ?? "reason \(rawValue)"
    }

    /// What the reason means, in words; nil when it is no drop that this build knows.
    public var explanation: String? {
        dp_reason_text(rawValue).map { String(cString: $0) }
    }

    public var description: String { name }
}

/// Where a packet was seen.
public enum TracePoint: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case toEndpoint = 1
    case fromEndpoint = 2
    case toOverlay = 3
    case fromOverlay = 4
    case toStack = 5
    case fromNetwork = 6
    case fromHost = 7
    case toHost = 8
    case toNetwork = 9
    /// A new connection that a policy allowed.
    case policyVerdict = 16
    /// The packet goes to the node's proxy, which has to read the connection.
    case toProxy = 17

    /// For example `to-endpoint`, from the shared header.
    public var description: String {
        dp_point_name(Int32(rawValue)).map { String(cString: $0) } ?? "point \(rawValue)"
    }

    /// Returns the trace point of this name, or nil if there is none.
    public init?(name: some StringProtocol) {
        guard let point = TracePoint.allCases.first(where: { $0.description == name }) else { return nil }
        self = point
    }
}

/// Which way a packet went, seen from the endpoint: ingress is towards it.
public enum TrafficDirection: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case ingress = 1
    case egress = 2

    public var description: String { self == .ingress ? "ingress" : "egress" }
}

/// A security identity: 24 bits, because the overlay's VNI carries it.
public struct Identity: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public static let unknown = Identity(rawValue: UInt32(DP_IDENTITY_UNKNOWN))
    public static let host = Identity(rawValue: UInt32(DP_IDENTITY_HOST))
    public static let world = Identity(rawValue: UInt32(DP_IDENTITY_WORLD))
    public static let unmanaged = Identity(rawValue: UInt32(DP_IDENTITY_UNMANAGED))
    public static let health = Identity(rawValue: UInt32(DP_IDENTITY_HEALTH))
    public static let initializing = Identity(rawValue: UInt32(DP_IDENTITY_INIT))
    public static let remoteNode = Identity(rawValue: UInt32(DP_IDENTITY_REMOTE_NODE))
    public static let kubeAPIServer = Identity(rawValue: UInt32(DP_IDENTITY_KUBE_APISERVER))

    /// The identities that sets of labels may have.
    public static let labelRange = UInt32(DP_IDENTITY_FIRST_LABEL)...UInt32(DP_IDENTITY_LAST_LABEL)
    /// The identities of address ranges that this node's policies name; they never travel.
    public static let localRange = UInt32(DP_IDENTITY_FIRST_LOCAL)...UInt32(DP_IDENTITY_MAX)

    /// Whether it stands for a set of labels.
    public var isLabelIdentity: Bool { Identity.labelRange.contains(rawValue) }
    /// Whether it stands for an address range that this node's policies name.
    public var isLocalRange: Bool { Identity.localRange.contains(rawValue) }

    /// `reserved:host` and its like, else the number.
    public var description: String {
        switch self {
        case .unknown: "unknown"
        case .host: "reserved:host"
        case .world: "reserved:world"
        case .unmanaged: "reserved:unmanaged"
        case .health: "reserved:health"
        case .initializing: "reserved:init"
        case .remoteNode: "reserved:remote-node"
        case .kubeAPIServer: "reserved:kube-apiserver"
        default: String(rawValue)
        }
    }
}

/// Names under which the maps are pinned.
public enum MapName {
    public static let endpoints = DP_MAP_ENDPOINTS
    public static let interfaces = DP_MAP_INTERFACES
    public static let ipcache = DP_MAP_IPCACHE
    public static let metrics = DP_MAP_METRICS
    public static let forwarded = DP_MAP_FORWARDED
    public static let config = DP_MAP_CONFIG
    public static let events = DP_MAP_EVENTS
    public static let revision = DP_MAP_REVISION
    public static let tcpConnections = DP_MAP_CT_TCP
    public static let otherConnections = DP_MAP_CT_ANY
    public static let fragments = DP_MAP_FRAGMENTS
    public static let services = DP_MAP_SERVICES
    public static let backends = DP_MAP_BACKENDS
    public static let reverse = DP_MAP_REVNAT
    public static let affinity = DP_MAP_AFFINITY
    public static let sockets = DP_MAP_SOCKETS
    public static let maglev = DP_MAP_MAGLEV
    public static let policy = DP_MAP_POLICY
    public static let portClasses = DP_MAP_PORT_CLASSES
    public static let devices = DP_MAP_DEVICES
    public static let nat = DP_MAP_NAT
    public static let natConfig = DP_MAP_NAT_CONFIG
    public static let natExclude = DP_MAP_NAT_EXCLUDE
    public static let natFragments = DP_MAP_NAT_FRAGMENTS
    public static let bandwidth = DP_MAP_BANDWIDTH
}

/// Marks of packets to and from the proxy's sockets (`skb->mark`).
public enum ProxyMark {
    public static let toProxy = UInt32(DP_MARK_TO_PROXY)
    public static let fromProxy = UInt32(DP_MARK_FROM_PROXY)
    public static let mask = UInt32(DP_MARK_IDENTITY_MASK)
}
