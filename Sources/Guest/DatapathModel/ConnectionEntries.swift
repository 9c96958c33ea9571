import CDatapathABI
import NetAddress

/// Says who tracks a connection, and in which direction it was opened as seen from there.
public enum ConnectionDirection: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The endpoint at the source's end opened it.
    case egress = 1
    /// The endpoint at the destination's end was called.
    case ingress = 2
    /// The call of a service, before its translation.
    case service = 3
    /// A call from outside that the node translated.
    case node = 4
    /// A pod's packet that netfilter translated (kube-proxy).
    case netfilter = 5

    public var description: String {
        switch self {
        case .egress: "egress"
        case .ingress: "ingress"
        case .service: "service"
        case .node: "node"
        case .netfilter: "netfilter"
        }
    }
}

/// How a packet relates to the connections that are known.
public enum ConnectionVerdict: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case new = 1
    case established = 2
    case reply = 3
    /// An ICMP error about a packet of a connection.
    case related = 4

    /// For example `established`, from the shared header.
    public var description: String {
        dp_ct_verdict_name(Int32(rawValue)).map { String(cString: $0) } ?? "verdict \(rawValue)"
    }
}

/// How far a connection is.
public enum ConnectionState: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// TCP: no segment without SYN yet; others: no answer yet.
    case opening = 1
    case established = 2
    /// TCP: one side has sent FIN.
    case closing = 3
    /// TCP: both have, or one has sent RST.
    case closed = 4

    /// For example `closing`, from the shared header.
    public var description: String {
        dp_ct_state_name(Int32(rawValue)).map { String(cString: $0) } ?? "state \(rawValue)"
    }
}

/// Key of `dp_ct_tcp` and `dp_ct_any`: the packet that opened the connection. Laid out as the kernel has it.
public struct ConnectionKey: BitwiseCopyable, Sendable, Hashable {
    private var abi: dp_ct_key

    /// - Parameters:
    ///   - sourcePort: of an ICMP echo request its identifier, with 0 as destination port.
    public init(
        from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address, _ destinationPort: UInt16,
        protocol number: UInt8, _ direction: ConnectionDirection
    ) {
        abi = dp_ct_key(
            source: source.abi, destination: destination.abi, source_port: sourcePort.bigEndian,
            destination_port: destinationPort.bigEndian, protocol: number, family: AddressFamily.ipv4.rawValue,
            direction: direction.rawValue, pad: 0)
    }

    /// The source address; nil when it is not an IPv4 address.
    public var source: IPv4Address? { IPv4Address(abi: abi.source, family: abi.family) }
    public var destination: IPv4Address? { IPv4Address(abi: abi.destination, family: abi.family) }
    public var sourcePort: UInt16 { UInt16(bigEndian: abi.source_port) }
    public var destinationPort: UInt16 { UInt16(bigEndian: abi.destination_port) }
    /// The IP protocol number.
    public var ipProtocol: UInt8 { abi.protocol }
    /// The value; nil for a number that this build does not know.
    public var direction: ConnectionDirection? { ConnectionDirection(rawValue: abi.direction) }

    public static func == (left: ConnectionKey, right: ConnectionKey) -> Bool {
        withUnsafeBytes(of: left) { left in withUnsafeBytes(of: right) { left.elementsEqual($0) } }
    }

    public func hash(into hasher: inout Hasher) {
        withUnsafeBytes(of: self) { hasher.combine(bytes: $0) }
    }
}

/// Value of `dp_ct_tcp` and `dp_ct_any`.
public struct ConnectionEntry: BitwiseCopyable, Sendable {
    private var abi: dp_ct_entry

    /// What has happened on the connection, and how its packets are treated.
    public struct Flags: OptionSet, Sendable, Hashable, CustomStringConvertible {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let replied = Flags(rawValue: UInt8(DP_CT_REPLIED))
        public static let finForward = Flags(rawValue: UInt8(DP_CT_FIN_FORWARD))
        public static let finReply = Flags(rawValue: UInt8(DP_CT_FIN_REPLY))
        public static let proxy = Flags(rawValue: UInt8(DP_CT_PROXY))
        /// An endpoint calls itself through a service.
        public static let loopback = Flags(rawValue: UInt8(DP_CT_LOOPBACK))
        /// The answers do not come back to the node that was called.
        public static let direct = Flags(rawValue: UInt8(DP_CT_DIRECT))

        private static let names: [(Flags, String)] = [
            (.replied, "replied"), (.finForward, "fin-forward"), (.finReply, "fin-reply"), (.proxy, "proxy"),
            (.loopback, "loopback"), (.direct, "direct"),
        ]

        /// The names of those that are set.
        public var words: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
        public var description: String { words.joined(separator: ",") }
    }

    /// - Parameters:
    ///   - expires: `CLOCK_MONOTONIC` in whole seconds.
    public init(
        state: ConnectionState, flags: Flags = [], expires: UInt32, sourceIdentity: Identity,
        reverseIndex: UInt16 = 0, backend: UInt32 = 0, policyRevision: UInt32 = 0, proxyPort: UInt16 = 0
    ) {
        abi = dp_ct_entry(
            expires: expires, source_identity: sourceIdentity.rawValue, backend: backend, rev_nat: reverseIndex,
            proxy_port: proxyPort.bigEndian, policy_revision: policyRevision, state: state.rawValue,
            flags: flags.rawValue, pad: (0, 0))
    }

    /// When the entry expires, on `CLOCK_MONOTONIC` in whole seconds. An entry whose time is past is void.
    public var expires: UInt32 { abi.expires }
    public var sourceIdentity: Identity { Identity(rawValue: abi.source_identity) }
    /// The index of `dp_revnat` by which replies are translated back; 0 when they are not.
    public var reverseIndex: UInt16 { abi.rev_nat }
    /// The number of the backend that was chosen, in entries of services.
    public var backend: UInt32 { abi.backend }
    public var proxyPort: UInt16 { UInt16(bigEndian: abi.proxy_port) }
    public var policyRevision: UInt32 { abi.policy_revision }
    /// The value; nil for a number that this build does not know.
    public var state: ConnectionState? { ConnectionState(rawValue: abi.state) }
    public var flags: Flags { Flags(rawValue: abi.flags) }
}

/// Seconds without a packet after which a connection is void.
public enum ConnectionLifetime {
    public static let opening = UInt32(DP_CT_OPENING_SECONDS)
    public static let establishedTCP = UInt32(DP_CT_TCP_SECONDS)
    public static let closed = UInt32(DP_CT_CLOSED_SECONDS)
    public static let others = UInt32(DP_CT_ANY_SECONDS)
}
