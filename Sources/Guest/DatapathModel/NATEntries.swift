import CDatapathABI
import NetAddress

/// Value of `dp_devices`, whose key is the ifindex (`UInt32`) of a node device.
public struct DeviceEntry: BitwiseCopyable, Sendable {
    private var abi: dp_device

    /// - Parameter address: what pods that leave by the device are masqueraded as.
    public init(address: IPv4Address) {
        abi = dp_device(ipv6: dp_address(), ipv4: address.networkByteOrder, flags: 0)
    }

    public var address: IPv4Address { IPv4Address(networkByteOrder: abi.ipv4) }
}

/// The only value of `dp_nat_config` (key 0, a `UInt32`).
public struct NATConfigEntry: BitwiseCopyable, Sendable {
    private var abi: dp_nat_config

    /// The ports that masqueraded flows take: above the service node ports.
    public static let defaultPorts = UInt16(DP_NAT_MIN_PORT)...UInt16(DP_NAT_MAX_PORT)

    /// - Parameters:
    ///   - masquerades: whether pods that leave are translated; answers to flows that were are translated all the same.
    ///   - remoteNodes: whether the addresses of other nodes count as outside.
    ///   - podMTU: bytes of IP above which an answer goes through the stack.
    public init(
        masquerades: Bool, remoteNodes: Bool = false, ports: ClosedRange<UInt16> = Self.defaultPorts, podMTU: UInt32
    ) {
        let flags = (masquerades ? DP_NAT_MASQUERADE : 0) | (remoteNodes ? DP_NAT_REMOTE_NODES : 0)
        abi = dp_nat_config(
            flags: UInt32(flags), min_port: ports.lowerBound, max_port: ports.upperBound, pod_mtu: podMTU, pad: 0)
    }

    public var masquerades: Bool { abi.flags & UInt32(DP_NAT_MASQUERADE) != 0 }
}

/// Why pods keep their address towards a range of `dp_nat_exclude`.
public enum MasqueradeExclusion: UInt32, Sendable, CaseIterable {
    /// `ipv4NativeRoutingCIDR`
    case nativeRouting = 1
    /// `ipMasqAgent.config.nonMasqueradeCIDRs`
    case nonMasquerade = 2
}

/// Key of `dp_nat`: a packet of a flow.
public struct NATKey: BitwiseCopyable, Sendable, Hashable {
    private var abi: dp_nat_key

    /// - Parameter direction: egress, the packet as the pod sends it; ingress, the answer as it arrives.
    public init(
        source: IPv4Address, sourcePort: UInt16, destination: IPv4Address, destinationPort: UInt16,
        protocol number: UInt8, direction: TrafficDirection
    ) {
        abi = dp_nat_key(
            source: source.abi, destination: destination.abi, source_port: sourcePort,
            destination_port: destinationPort, protocol: number, family: AddressFamily.ipv4.rawValue,
            direction: direction.rawValue, pad: 0)
    }

    /// Nil when it is not an IPv4 address.
    public var source: IPv4Address? { IPv4Address(abi: abi.source, family: abi.family) }
    public var destination: IPv4Address? { IPv4Address(abi: abi.destination, family: abi.family) }
    public var sourcePort: UInt16 { abi.source_port }
    public var destinationPort: UInt16 { abi.destination_port }
    public var `protocol`: UInt8 { abi.protocol }
    /// Nil for a number that this build does not know.
    public var direction: TrafficDirection? { TrafficDirection(rawValue: abi.direction) }

    /// The key of the flow's other entry, given this one's.
    public func counterpart(_ entry: NATEntry) -> NATKey {
        var other = NATKey(abi: abi)
        other.abi.source = abi.destination
        other.abi.source_port = abi.destination_port
        other.abi.destination = entry.abi.address
        other.abi.destination_port = entry.port
        if direction == .egress {
            other.abi.direction = TrafficDirection.ingress.rawValue
        } else {
            other.abi.source = entry.abi.address
            other.abi.source_port = entry.port
            other.abi.destination = abi.source
            other.abi.destination_port = abi.source_port
            other.abi.direction = TrafficDirection.egress.rawValue
        }
        return other
    }

    private init(abi: dp_nat_key) { self.abi = abi }

    public static func == (left: NATKey, right: NATKey) -> Bool {
        withUnsafeBytes(of: left.abi) { left in withUnsafeBytes(of: right.abi) { left.elementsEqual($0) } }
    }

    public func hash(into hasher: inout Hasher) {
        withUnsafeBytes(of: abi) { hasher.combine(bytes: $0) }
    }
}

/// Value of `dp_nat`: the new source of a packet that leaves, the new destination of one that arrives.
public struct NATEntry: BitwiseCopyable, Sendable {
    fileprivate var abi: dp_nat_entry

    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// A flow of the node itself.
        public static let host = Flags(rawValue: UInt16(DP_NAT_HOST))
        /// The other side has answered.
        public static let replied = Flags(rawValue: UInt16(DP_NAT_REPLIED))
        /// TCP: FIN or RST was seen.
        public static let closing = Flags(rawValue: UInt16(DP_NAT_CLOSING))
        /// A caller from outside, whom the node leads to a backend of another node.
        public static let service = Flags(rawValue: UInt16(DP_NAT_SERVICE))
    }

    /// - Parameters: times of CLOCK_MONOTONIC in nanoseconds.
    public init(address: IPv4Address, port: UInt16, flags: Flags = [], created: UInt64 = 0, used: UInt64 = 0) {
        abi = dp_nat_entry(
            address: address.abi, created_ns: created, used_ns: used, port: port, flags: flags.rawValue, pad: 0)
    }

    public var address: IPv4Address { IPv4Address(networkByteOrder: abi.address.word.0) }
    public var port: UInt16 { abi.port }
    public var flags: Flags { Flags(rawValue: abi.flags) }
    /// CLOCK_MONOTONIC, nanoseconds.
    public var created: UInt64 { abi.created_ns }
    /// CLOCK_MONOTONIC, nanoseconds; a second coarse.
    public var used: UInt64 { abi.used_ns }
}
