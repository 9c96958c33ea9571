public import DatapathOptions
public import NetAddress

/// How packets of pods travel between nodes, from the options; pure.
public struct RoutingPlan: Sendable, Hashable {
    /// Encapsulated so; nil: by the node's routes.
    public let tunnel: TunnelProtocol?
    /// UDP destination port of the tunnel; 0 without one.
    public let tunnelPort: UInt16
    /// Whether this agent makes a route to every other node's pods (`autoDirectNodeRoutes`); else the cloud's router
    /// does.
    public let makesNodeRoutes: Bool
    /// Where packets of pods keep their source address (`ipv4NativeRoutingCIDR`); nil: the pods' own ranges.
    public let nativeRange: IPv4CIDR?
    /// MTU of the underlay that is given; nil: the device's.
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
        // RFC 791: every host takes 576 octets; less the overlay's.
        guard options.MTU == 0 || (626...65_535).contains(options.MTU) else {
            throw .invalidConfiguration("MTU: must be 0 or 626 to 65535, is \(options.MTU)")
        }
        givenMTU = options.MTU == 0 ? nil : options.MTU
    }

    /// Octets that packets of pods may have over a device.
    public func routeMTU(deviceMTU: Int) -> Int { (givenMTU ?? deviceMTU) - (tunnel?.overhead ?? 0) }

    /// For people: `Tunnel [geneve]`, `Native`.
    public var text: String { tunnel.map { "Tunnel [\($0.rawValue)]" } ?? "Native" }
}
