import CDatapathABI

/// Which of an endpoint's connections its policies decide about.
public struct PolicyEnforcement: Sendable, Hashable {
    public var directions: Set<TrafficDirection>
    /// A number that grows whenever something is forbidden that was allowed before. Established connections are then
    /// judged again.
    public var revision: UInt32

    public init(directions: Set<TrafficDirection> = [], revision: UInt32 = 0) {
        self.directions = directions
        self.revision = revision
    }

    init(flags: UInt16, revision: UInt32) {
        self.init(
            directions: Set(TrafficDirection.allCases.filter { flags & Self.flag($0) != 0 }), revision: revision)
    }

    var flags: UInt16 { directions.reduce(0) { $0 | Self.flag($1) } }

    private static func flag(_ direction: TrafficDirection) -> UInt16 {
        UInt16(direction == .ingress ? DP_INTERFACE_POLICY_INGRESS : DP_INTERFACE_POLICY_EGRESS)
    }
}

/// Key of `dp_policy`. Laid out as the kernel has it.
public struct PolicyMapKey: BitwiseCopyable, Sendable, Hashable {
    private var abi: dp_policy_key

    /// - Parameters:
    ///   - identity: The peer's identity. `unknown` stands for anybody.
    ///   - portClass: The class of the port. 0 stands for every protocol and port.
    public init(endpointID: UInt16, direction: TrafficDirection, identity: Identity, portClass: UInt16) {
        abi = dp_policy_key(
            endpoint_id: endpointID, direction: direction.rawValue, pad: 0, identity: identity.rawValue,
            port_class: portClass, pad2: 0)
    }

    /// The number of entries that the map can hold.
    public static let capacity = Int(DP_MAX_POLICY)

    public var endpointID: UInt16 { abi.endpoint_id }
    /// Nil for a number that this build does not know.
    public var direction: TrafficDirection? { TrafficDirection(rawValue: abi.direction) }
    public var identity: Identity { Identity(rawValue: abi.identity) }
    public var portClass: UInt16 { abi.port_class }

    public static func == (left: PolicyMapKey, right: PolicyMapKey) -> Bool {
        left.abi.endpoint_id == right.abi.endpoint_id && left.abi.direction == right.abi.direction
            && left.abi.identity == right.abi.identity && left.abi.port_class == right.abi.port_class
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(abi.endpoint_id)
        hasher.combine(abi.direction)
        hasher.combine(abi.identity)
        hasher.combine(abi.port_class)
    }
}

/// Value of `dp_policy`.
public struct PolicyMapValue: BitwiseCopyable, Sendable, Hashable {
    public enum Verdict: Sendable, Hashable {
        case allow
        /// The connection goes through the proxy that listens on the port.
        case redirect(port: UInt16)
        case deny
        case defaultDeny
    }

    private var abi: dp_policy_entry

    /// - Parameter rule: The number by which events name the rule that decided.
    public init(_ verdict: Verdict, rule: UInt32) {
        abi = dp_policy_entry(rule: rule, flags: 0, proxy_port: 0)
        switch verdict {
        case .allow: break
        case .redirect(let port):
            abi.flags = UInt16(DP_POLICY_REDIRECT)
            abi.proxy_port = port.bigEndian
        case .deny: abi.flags = UInt16(DP_POLICY_DENY)
        case .defaultDeny: abi.flags = UInt16(DP_POLICY_DEFAULT_DENY)
        }
    }

    public var rule: UInt32 { abi.rule }
    public var verdict: Verdict {
        switch Int32(abi.flags) {
        case DP_POLICY_DENY: .deny
        case DP_POLICY_DEFAULT_DENY: .defaultDeny
        case DP_POLICY_REDIRECT: .redirect(port: UInt16(bigEndian: abi.proxy_port))
        default: .allow
        }
    }

    public static func == (left: PolicyMapValue, right: PolicyMapValue) -> Bool {
        left.abi.rule == right.abi.rule && left.abi.flags == right.abi.flags
            && left.abi.proxy_port == right.abi.proxy_port
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(abi.rule)
        hasher.combine(abi.flags)
        hasher.combine(abi.proxy_port)
    }
}

/// Value of `dp_port_classes`: the classes of 64 ports in a row.
public struct PortChunk: BitwiseCopyable, Sendable {
    private var abi: dp_port_chunk

    public static let ports = Int(DP_PORTS_IN_CHUNK)
    /// The number of chunks of each protocol.
    public static let chunks = Int(DP_PORT_CHUNKS)

    /// - Parameter classes: The classes of the chunk's ports, in order. Ports beyond the list have class 0.
    public init(_ classes: [UInt16]) {
        abi = dp_port_chunk()
        withUnsafeMutableBytes(of: &abi) { bytes in
            for (index, number) in classes.prefix(Self.ports).enumerated() {
                bytes.storeBytes(of: number, toByteOffset: index * 2, as: UInt16.self)
            }
        }
    }

    public var classes: [UInt16] {
        withUnsafeBytes(of: abi) { bytes in (0..<Self.ports).map { bytes.load(fromByteOffset: $0 * 2, as: UInt16.self) }
        }
    }

    /// Key of the chunk that a port is in.
    ///
    /// - Parameter slot: The protocol's slot: TCP 0, UDP 1, SCTP 2, ICMP 3. The type of ICMP takes the port's place.
    public static func key(slot: UInt8, port: UInt16) -> UInt32 {
        UInt32(slot) * UInt32(chunks) + UInt32(port) / UInt32(ports)
    }
}
