import CDatapathABI
import NetAddress

/// What the programs know of the node: the only value of `dp_config` (key 0, a `UInt32`).
///
/// A plain value; `ConfigEntry` is its layout in the map.
public struct DatapathConfig: Sendable, Hashable {
    public var nodeAddress: IPv4Address
    /// The pods' gateway, an address of this node.
    public var routerAddress: IPv4Address
    /// The range of this node's pods.
    public var podRange: IPv4CIDR
    /// The ranges of all nodes' pods, at most `mostClusterRanges`. Packets to them go only through the overlay, or by
    /// the native routes.
    public var clusterRanges: [IPv4CIDR]
    public static let mostClusterRanges = Int(DP_MAX_CLUSTER_RANGES)
    /// The index of the interface `labrun_host`.
    public var hostInterface: UInt32
    public var hostMAC: MACAddress
    /// The index of the interface `labrun_vxlan` or `labrun_geneve`; 0 without an overlay.
    public var overlayInterface: UInt32
    /// The index of the node's first device, usually `eth0`.
    public var nodeInterface: UInt32
    public var nodeIdentity: Identity = .host
    public var tunnelPort: UInt16 = UInt16(DP_TUNNEL_PORT)
    /// Pods of other nodes are reached by the node's routes, not through the overlay.
    public var routesNatively = false
    /// The length in octets of the longest IPv4 packet that pods may send; 0 to check none.
    public var routeMTU = 0
    /// The points that report packets. Drops are always reported, and metrics are always counted.
    public var tracePoints: Set<TracePoint> = []
    /// Whether the agent was started to trace packets (`bpf.events.trace.enabled`). The programs do not read it.
    public var tracesByDefault = true
    /// Of TCP, only segments with SYN, FIN or RST are traced.
    public var aggregatesTraces = true
    /// Calls of services are translated packet by packet.
    public var translatesServices = false
    /// What pods send to the outside goes straight to the device that masquerades it.
    public var bypassesNetfilter = false
    /// Calls of services that come in by a node device are translated.
    public var translatesCallsFromOutside = false
    /// Other nodes lead calls here whose answers leave directly, under the frontend's address.
    public var returnsDirectly = false
    /// Sockets are translated in the node's own network namespace only.
    public var translatesHostSocketsOnly = false
    /// Packets of pods with an egress rate are given the time at which they may leave.
    public var pacesPods = false
    /// ARP of pods is left to the node's stack, because another plugin has made their interfaces.
    public var leavesARP = false

    public init(
        nodeAddress: IPv4Address, routerAddress: IPv4Address, podRange: IPv4CIDR, clusterRanges: [IPv4CIDR],
        hostInterface: UInt32, hostMAC: MACAddress, overlayInterface: UInt32, nodeInterface: UInt32
    ) {
        self.nodeAddress = nodeAddress
        self.routerAddress = routerAddress
        self.podRange = podRange
        self.clusterRanges = clusterRanges
        self.hostInterface = hostInterface
        self.hostMAC = hostMAC
        self.overlayInterface = overlayInterface
        self.nodeInterface = nodeInterface
    }
}

/// Value of `dp_config`. Laid out as the kernel has it.
public struct ConfigEntry: BitwiseCopyable, Sendable {
    private var abi: dp_config

    public init(_ config: DatapathConfig) {
        var flags: Int32 = config.tracePoints.isEmpty ? 0 : DP_CONFIG_TRACE
        if config.routesNatively { flags |= DP_CONFIG_NATIVE_ROUTING }
        if config.tracesByDefault { flags |= DP_CONFIG_TRACE_BY_DEFAULT }
        if config.aggregatesTraces { flags |= DP_CONFIG_TRACE_AGGREGATE }
        if config.translatesServices { flags |= DP_CONFIG_SERVICES }
        if config.bypassesNetfilter { flags |= DP_CONFIG_HOST_ROUTING }
        if config.translatesCallsFromOutside { flags |= DP_CONFIG_NODE_SERVICES }
        if config.returnsDirectly { flags |= DP_CONFIG_DIRECT_RETURN }
        if config.translatesHostSocketsOnly { flags |= DP_CONFIG_SOCKETS_OF_HOST }
        if config.pacesPods { flags |= DP_CONFIG_BANDWIDTH }
        if config.leavesARP { flags |= DP_CONFIG_ARP_PASSTHROUGH }
        abi = dp_config()
        abi.abi_version = UInt32(DP_ABI_VERSION)
        abi.flags = UInt32(flags)
        abi.trace_mask = config.tracePoints.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
        abi.node_identity = config.nodeIdentity.rawValue
        abi.node_ipv4 = config.nodeAddress.networkByteOrder
        abi.router_ipv4 = config.routerAddress.networkByteOrder
        abi.pod_range = config.podRange.abi
        withUnsafeMutableBytes(of: &abi.cluster_ranges) { bytes in
            let ranges = bytes.bindMemory(to: dp_range.self)
            for (index, range) in config.clusterRanges.prefix(ranges.count).enumerated() { ranges[index] = range.abi }
        }
        abi.host_ifindex = config.hostInterface
        abi.overlay_ifindex = config.overlayInterface
        abi.node_ifindex = config.nodeInterface
        abi.tunnel_port = config.tunnelPort
        abi.host_mac = config.hostMAC.abi
        abi.route_mtu = UInt32(clamping: config.routeMTU)
    }

    private init() {
        abi = dp_config()
    }

    /// What the map holds before the agent has written anything: the programs drop everything.
    public static let unconfigured = ConfigEntry()

    /// The version of the writer's ABI, or 0 if nothing was ever written.
    public var version: UInt32 { abi.abi_version }
    public var routerAddress: IPv4Address { IPv4Address(networkByteOrder: abi.router_ipv4) }
    /// The points that report packets.
    public var tracePoints: Set<TracePoint> {
        guard abi.flags & UInt32(DP_CONFIG_TRACE) != 0 else { return [] }
        return Set(TracePoint.allCases.filter { abi.trace_mask & (1 << UInt32($0.rawValue)) != 0 })
    }

    /// Returns the points that report packets once an agent has started.
    ///
    /// What was chosen while an earlier agent ran stays chosen, unless the new agent is started to trace and the
    /// earlier one was not, or the other way round.
    ///
    /// - Parameters:
    ///   - left: What the map holds. If no agent has written it, or it is nil, nothing was chosen.
    ///   - isTracing: The agent's `bpf.events.trace.enabled`.
    public static func tracePoints(after left: ConfigEntry?, isTracing: Bool) -> Set<TracePoint> {
        if let left, left.version != 0, left.tracesByDefault == isTracing { return left.tracePoints }
        return isTracing ? Set(TracePoint.allCases) : []
    }

    private var tracesByDefault: Bool { abi.flags & UInt32(DP_CONFIG_TRACE_BY_DEFAULT) != 0 }
}
