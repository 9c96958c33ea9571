import CDatapathABI
import NetAddress

/// Key of `dp_endpoints`: a local address. Laid out as the kernel has it.
public struct EndpointKey: BitwiseCopyable, Sendable {
    private var abi: dp_endpoint_key

    public init(_ address: IPv4Address) {
        abi = dp_endpoint_key(address: address.abi, family: AddressFamily.ipv4.rawValue, pad: (0, 0, 0))
    }

    /// Nil when it is not an IPv4 address.
    public var address: IPv4Address? { IPv4Address(abi: abi.address, family: abi.family) }
}

/// Value of `dp_endpoints`.
public struct EndpointEntry: BitwiseCopyable, Sendable {
    private var abi: dp_endpoint

    /// A pod of this node.
    ///
    /// - Parameters:
    ///   - interface: ifindex of the host side of its veth.
    ///   - podMAC: the address inside the pod.
    ///   - hostMAC: the address of the host side.
    ///   - isReachedAtPeer: what programs receive for the pod goes to the pod's end of the veth, which then must be in
    ///     another network namespace; else out of the host side, whose egress program delivers.
    public init(
        id: UInt16, identity: Identity, interface: UInt32, podMAC: MACAddress, hostMAC: MACAddress,
        isReachedAtPeer: Bool = false
    ) {
        abi = dp_endpoint(
            ifindex: interface, identity: identity.rawValue, id: id,
            flags: isReachedAtPeer ? UInt16(DP_ENDPOINT_PEER) : 0, pod_mac: podMAC.abi, host_mac: hostMAC.abi)
    }

    /// An address of the node itself (router, node address): delivered to its stack.
    public static let host = EndpointEntry(
        abi: dp_endpoint(
            ifindex: 0, identity: Identity.host.rawValue, id: 0, flags: UInt16(DP_ENDPOINT_HOST),
            pod_mac: (0, 0, 0, 0, 0, 0), host_mac: (0, 0, 0, 0, 0, 0)))

    private init(abi: dp_endpoint) {
        self.abi = abi
    }

    public var id: UInt16 { abi.id }
    public var identity: Identity { Identity(rawValue: abi.identity) }
    public var interface: UInt32 { abi.ifindex }
    public var isHost: Bool { abi.flags & UInt16(DP_ENDPOINT_HOST) != 0 }
    public var podMAC: MACAddress { MACAddress(abi: abi.pod_mac) }
    public var hostMAC: MACAddress { MACAddress(abi: abi.host_mac) }
}

/// Value of `dp_interfaces`, whose key is the ifindex (`UInt32`) of the host side of a pod's veth.
public struct InterfaceEntry: BitwiseCopyable, Sendable {
    private var abi: dp_interface

    /// - Parameters:
    ///   - ipv4: the pod's address; its only permitted source.
    ///   - enforcement: what policies decide about.
    public init(
        endpointID: UInt16, identity: Identity, ipv4: IPv4Address, podMAC: MACAddress, hostMAC: MACAddress,
        enforcement: PolicyEnforcement = PolicyEnforcement()
    ) {
        abi = dp_interface(
            ipv6: dp_address(), ipv4: ipv4.networkByteOrder, identity: identity.rawValue, endpoint_id: endpointID,
            flags: enforcement.flags, pod_mac: podMAC.abi, host_mac: hostMAC.abi,
            policy_revision: enforcement.revision)
    }

    public var enforcement: PolicyEnforcement {
        PolicyEnforcement(flags: abi.flags, revision: abi.policy_revision)
    }

    public var endpointID: UInt16 { abi.endpoint_id }
    public var identity: Identity { Identity(rawValue: abi.identity) }
    public var ipv4: IPv4Address { IPv4Address(networkByteOrder: abi.ipv4) }
    public var podMAC: MACAddress { MACAddress(abi: abi.pod_mac) }
    public var hostMAC: MACAddress { MACAddress(abi: abi.host_mac) }
}

/// Key of `dp_ipcache`: an address range.
public struct IPCacheKey: BitwiseCopyable, Sendable {
    private var abi: dp_ipcache_key

    /// Host bits are cleared.
    public init(_ range: IPv4CIDR) {
        abi = dp_ipcache_key(
            prefix_length: UInt32(DP_IPCACHE_STATIC_BITS) + UInt32(range.prefixLength),
            family: AddressFamily.ipv4.rawValue, pad: (0, 0, 0), address: range.network.address.abi)
    }

    /// Nil when it is not an IPv4 range.
    public var range: IPv4CIDR? {
        guard let address = IPv4Address(abi: abi.address, family: abi.family),
            abi.prefix_length >= UInt32(DP_IPCACHE_STATIC_BITS)
        else { return nil }
        return IPv4CIDR(address, prefixLength: Int(abi.prefix_length) - Int(DP_IPCACHE_STATIC_BITS))
    }
}

/// Value of `dp_ipcache`.
public struct IPCacheValue: BitwiseCopyable, Sendable {
    private var abi: dp_ipcache_entry

    /// - Parameter tunnelEndpoint: The node's underlay address, or nil if the overlay is not used.
    public init(identity: Identity, tunnelEndpoint: IPv4Address? = nil) {
        abi = dp_ipcache_entry(
            tunnel_endpoint: tunnelEndpoint?.abi ?? dp_address(), identity: identity.rawValue,
            tunnel_family: tunnelEndpoint == nil ? 0 : AddressFamily.ipv4.rawValue, pad: (0, 0, 0))
    }

    public var identity: Identity { Identity(rawValue: abi.identity) }
    public var tunnelEndpoint: IPv4Address? { IPv4Address(abi: abi.tunnel_endpoint, family: abi.tunnel_family) }
}

/// Key of `dp_metrics`.
public struct MetricsKey: BitwiseCopyable, Sendable, Hashable {
    private var abi: dp_metrics_key

    public init(reason: Reason, direction: TrafficDirection, point: TracePoint) {
        abi = dp_metrics_key(
            reason: reason.rawValue, direction: direction.rawValue, point: point.rawValue, pad: (0, 0))
    }

    public var reason: Reason { Reason(rawValue: abi.reason) }
    /// Nil for a number that this build does not know.
    public var direction: TrafficDirection? { TrafficDirection(rawValue: abi.direction) }
    /// The trace point. For a drop it is the point at which the program was entered. It is nil for a number that this
    /// build does not know.
    public var point: TracePoint? { TracePoint(rawValue: abi.point) }

    public static func == (left: MetricsKey, right: MetricsKey) -> Bool {
        left.abi.reason == right.abi.reason && left.abi.direction == right.abi.direction
            && left.abi.point == right.abi.point
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(abi.reason)
        hasher.combine(abi.direction)
        hasher.combine(abi.point)
    }
}

/// Key of `dp_forwarded`, which counts what `dp_metrics` does not: packets that were forwarded.
///
/// A packet is counted where it enters a program and where it leaves it. If the flow cache serves it, it is counted
/// under a key of its own where it enters.
public struct ForwardedKey: BitwiseCopyable, Sendable {
    private let index: UInt32

    /// The keys of packets that the flow cache served. Each such packet is counted under exactly one of them.
    public static let cached: [ForwardedKey] = TrafficDirection.allCases.flatMap { direction in
        TracePoint.allCases.map { point in
            ForwardedKey(
                index: UInt32(DP_FORWARDED_CACHED) + UInt32(direction.rawValue) * points + UInt32(point.rawValue))
        }
    }

    private init(index: UInt32) { self.index = index }

    /// The number of direction and point, without the mark of the flow cache.
    private var series: UInt32 {
        let first = UInt32(DP_FORWARDED_CACHED) + UInt32(TrafficDirection.ingress.rawValue) * Self.points
        return index < first ? index : index - UInt32(DP_FORWARDED_CACHED)
    }

    /// The direction; nil for a number that this build does not know.
    public var direction: TrafficDirection? { TrafficDirection(rawValue: UInt8(clamping: series / Self.points)) }
    /// The point; nil for a number that this build does not know.
    public var point: TracePoint? { TracePoint(rawValue: UInt8(clamping: series % Self.points)) }

    /// The same series in the words of `dp_metrics`; nil where there is none. Packets that the flow cache served and
    /// others have the same series.
    public var metric: MetricsKey? {
        guard let direction, let point else { return nil }
        return MetricsKey(reason: .forwarded, direction: direction, point: point)
    }

    private static let points = UInt32(DP_FORWARDED_POINTS)
}

/// Value of `dp_metrics` on one CPU; add them up.
public struct MetricsValue: BitwiseCopyable, Sendable {
    private var abi: dp_metrics

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        abi = dp_metrics(packets: packets, bytes: bytes)
    }

    public var packets: UInt64 { abi.packets }
    public var bytes: UInt64 { abi.bytes }

    public static func + (left: MetricsValue, right: MetricsValue) -> MetricsValue {
        MetricsValue(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
    }
}
