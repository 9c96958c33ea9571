public import DatapathOptions
public import NetAddress

/// How packets of pods travel between nodes, derived from the options. It is pure.
public struct RoutingPlan: Sendable, Hashable {
    /// The encapsulation, or nil if the node's routes lead to other nodes' pods.
    public let tunnel: TunnelProtocol?
    /// UDP destination port of the tunnel; 0 without one.
    public let tunnelPort: UInt16
    /// Says whether this agent makes a route to every other node's pods (`autoDirectNodeRoutes`). Otherwise the cloud's
    /// router must know the way.
    public let makesNodeRoutes: Bool
    /// The range towards which pods keep their source address (`ipv4NativeRoutingCIDR`). If it is nil, these are the
    /// pods' own ranges.
    public let nativeRange: IPv4CIDR?
    /// The configured MTU of the underlay. If it is nil, the device's MTU counts.
    private let givenMTU: Int?

    /// - Throws: `DatapathError.invalidConfiguration` that names the option.
    public init(_ options: DatapathOptions) throws(DatapathError) {
        switch options.routingMode {
        case .tunnel: tunnel = options.tunnelProtocol
        case .native: tunnel = nil
        }
        tunnelPort = options.tunnelPort != 0 ? options.tunnelPort : tunnel?.standardPort ?? 0
        makesNodeRoutes = options.autoDirectNodeRoutes
        if makesNodeRoutes, tunnel != nil {
            throw .invalidConfiguration("autoDirectNodeRoutes: true needs routingMode: native")
        }
        let range = options.ipv4NativeRoutingCIDR
        nativeRange = IPv4CIDR(range)?.network
        if !range.isEmpty, nativeRange == nil {
            throw .invalidConfiguration("ipv4NativeRoutingCIDR: not an address range: \"\(range)\"")
        }
        // Every host accepts 576 bytes (RFC 791), and the overlay adds its own headers.
        guard options.MTU == 0 || (626...65_535).contains(options.MTU) else {
            throw .invalidConfiguration("MTU: must be 0 or 626 to 65535, is \(options.MTU)")
        }
        givenMTU = options.MTU == 0 ? nil : options.MTU
    }

    /// The longest packet of pods over a device, in bytes.
    public func routeMTU(deviceMTU: Int) -> Int { (givenMTU ?? deviceMTU) - (tunnel?.overhead ?? 0) }

    /// The text for people: `Tunnel [geneve]`, `Native`.
    public var text: String { tunnel.map { "Tunnel [\($0.rawValue)]" } ?? "Native" }
}
