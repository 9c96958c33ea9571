public import DatapathOptions

/// How the overlay encapsulates.
public typealias TunnelProtocol = DatapathOptions.TunnelProtocol

extension DatapathOptions.TunnelProtocol {
    /// The overlay's interface.
    public var device: String { "labrun_" + rawValue }

    /// The bytes that it adds to a packet: IPv4 20, UDP 8, VXLAN or Geneve without options 8, inner Ethernet 14.
    public var overhead: Int { 50 }
}
