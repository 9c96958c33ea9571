import CLibnl
public import NetAddress

/// A network interface as the kernel shows it at one moment.
public struct Link: Sendable, Equatable {
    public let index: Int32
    public let name: String
    /// `veth`, `vxlan`, `bridge`, `tun`…; nil for a physical or virtio interface.
    public let kind: String?
    /// Nil if the interface has no 48-bit address.
    public let mac: MACAddress?
    /// In bytes of layer 3.
    public let mtu: Int
    /// The index of the bridge or bond that it belongs to; nil without one.
    public let master: Int32?
    /// The interface is administratively up (`IFF_UP`).
    public let isUp: Bool
    /// The interface is administratively up and has a carrier (`IFF_RUNNING`).
    public let isRunning: Bool
    /// The index of a veth's other end, which may be in another namespace, or of the lower device; nil without one.
    public let peer: Int32?
    public let statistics: LinkStatistics
}

/// Counters of an interface since its creation (`struct rtnl_link_stats64`).
public struct LinkStatistics: Sendable, Equatable, Codable {
    public var receivedPackets: UInt64 = 0
    public var receivedBytes: UInt64 = 0
    public var receiveErrors: UInt64 = 0
    public var receiveDrops: UInt64 = 0
    public var transmittedPackets: UInt64 = 0
    public var transmittedBytes: UInt64 = 0
    public var transmitErrors: UInt64 = 0
    public var transmitDrops: UInt64 = 0

    public init() {}
}

extension Link {
    init?(_ object: OpaquePointer) {
        guard let name = rtnl_link_get_name(object) else { return nil }
        index = rtnl_link_get_ifindex(object)
        self.name = String(cString: name)
        kind = rtnl_link_get_type(object).map { String(cString: $0) }
        mac = macAddress(rtnl_link_get_addr(object))
        mtu = Int(rtnl_link_get_mtu(object))
        let masterIndex = rtnl_link_get_master(object)
        master = masterIndex > 0 ? masterIndex : nil
        let flags = rtnl_link_get_flags(object)
        isUp = flags & UInt32(IFF_UP.rawValue) != 0
        isRunning = flags & UInt32(IFF_RUNNING.rawValue) != 0
        let peerIndex = rtnl_link_get_link(object)
        peer = peerIndex > 0 ? peerIndex : nil
        var counters = LinkStatistics()
        counters.receivedPackets = rtnl_link_get_stat(object, RTNL_LINK_RX_PACKETS)
        counters.receivedBytes = rtnl_link_get_stat(object, RTNL_LINK_RX_BYTES)
        counters.receiveErrors = rtnl_link_get_stat(object, RTNL_LINK_RX_ERRORS)
        counters.receiveDrops = rtnl_link_get_stat(object, RTNL_LINK_RX_DROPPED)
        counters.transmittedPackets = rtnl_link_get_stat(object, RTNL_LINK_TX_PACKETS)
        counters.transmittedBytes = rtnl_link_get_stat(object, RTNL_LINK_TX_BYTES)
        counters.transmitErrors = rtnl_link_get_stat(object, RTNL_LINK_TX_ERRORS)
        counters.transmitDrops = rtnl_link_get_stat(object, RTNL_LINK_TX_DROPPED)
        statistics = counters
    }
}

/// What to change of an interface; nil leaves a property as it is.
public struct LinkChange: Sendable, Equatable {
    public var name: String?
    public var isUp: Bool?
    /// In bytes of layer 3.
    public var mtu: Int?
    public var mac: MACAddress?
    /// The index of the bridge to join; 0 leaves the present one.
    public var master: Int32?
    /// A file descriptor of the network namespace to move to, for example of `/proc/PID/ns/net`.
    public var namespace: Int32?

    public init(
        name: String? = nil, isUp: Bool? = nil, mtu: Int? = nil, mac: MACAddress? = nil, master: Int32? = nil,
        namespace: Int32? = nil
    ) {
        self.name = name
        self.isUp = isUp
        self.mtu = mtu
        self.mac = mac
        self.master = master
        self.namespace = namespace
    }
}
