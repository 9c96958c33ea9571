import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// The agent's interfaces on the node, and the kernel settings that they need. Every step accepts what exists already,
/// so that a restart changes nothing.
struct HostDevices: Sendable {
    /// Carries the router address. The routes to the cluster's pods lead to it, and its egress program takes the
    /// packets.
    static let host = "labrun_host"
    /// The other end of that pair. What comes out of it enters the node's stack.
    static let net = "labrun_net"
    let hostIndex: Int32
    let hostMAC: MACAddress
    let netIndex: Int32
    /// Encapsulates between nodes; nil with native routing.
    let overlay: Overlay?
    /// The node's own interface.
    let deviceIndex: Int32
    /// The devices that carry traffic to and from the outside.
    let nodeDevices: [NodeDevice]
    /// The longest IPv4 packet of pods: the device's MTU less what the tunnel adds.
    let routeMTU: Int

    struct Overlay: Sendable {
        let name: String
        let index: Int32
    }

    static func ensure(
        _ settings: AgentSettings, router: IPv4Address, _ store: StateStore, _ netlink: borrowing NetlinkSocket
    ) throws -> HostDevices {
        let config = settings.config
        guard let device = try netlink.findLink(named: config.device) else {
            throw DatapathError.invalidConfiguration("device \(config.device): no such interface on this node")
        }
        if try netlink.findLink(named: host) == nil || netlink.findLink(named: net) == nil {
            if try netlink.findLink(named: host) != nil { try netlink.deleteLink(named: host) }
            try netlink.createVeth(
                host, mac: settings.deviceMAC(1), peer: net, peerMAC: settings.deviceMAC(2))
        }
        let routeMTU = settings.routing.routeMTU(deviceMTU: device.mtu)
        let overlay = try ensureOverlay(settings, mtu: routeMTU, store, netlink)
        try Sysctl.set("net/ipv4/ip_forward", "1")
        // Reverse path filtering would drop pods' packets: they enter the stack by their own interface, while the route
        // back to them leads to labrun_host.
        let own = [host, net] + (overlay.map { [$0.name] } ?? [])
        for name in ["all", "default"] + own { try Sysctl.set("net/ipv4/conf/\(name)/rp_filter", "0") }
        // Answers that netfilter translates enter and leave by labrun_host, and calls from outside enter and leave by
        // one device. The kernel must not send ICMP redirects for them.
        for name in ["all", host, config.device] { try Sysctl.set("net/ipv4/conf/\(name)/send_redirects", "0") }
        for name in own { try Sysctl.setIfPresent("net/ipv6/conf/\(name)/disable_ipv6", "1") }
        for name in [host, net] { try bringUpWithoutARP(name) }
        if let overlay { try netlink.setUp(overlay.name) }

        let hostLink = try netlink.link(named: host)
        guard let hostMAC = hostLink.mac else { throw DatapathError.kernel("\(host) has no hardware address") }
        try ensureAddress(IPv4CIDR(host: router), linkIndex: hostLink.index, netlink)
        return HostDevices(
            hostIndex: hostLink.index, hostMAC: hostMAC, netIndex: try netlink.link(named: net).index,
            overlay: overlay, deviceIndex: device.index, nodeDevices: try NodeDevice.select(settings, netlink),
            routeMTU: routeMTU)
    }

    /// Creates the overlay's interface as the options ask for it, and removes those of other modes.
    private static func ensureOverlay(
        _ settings: AgentSettings, mtu: Int, _ store: StateStore, _ netlink: borrowing NetlinkSocket
    ) throws -> Overlay? {
        for other in TunnelProtocol.allCases where other != settings.routing.tunnel {
            guard let link = try netlink.findLink(named: other.device) else { continue }
            Log.info("removing overlay device", ["device": other.device])
            try netlink.deleteLink(index: link.index)
        }
        guard let tunnel = settings.routing.tunnel else { return nil }
        let port = settings.routing.tunnelPort
        if let link = try netlink.findLink(named: tunnel.device) {
            if link.kind == tunnel.rawValue, try store.overlayPort() == port {
                if link.mtu != mtu { try netlink.changeLink(index: link.index, LinkChange(mtu: mtu)) }
                return Overlay(name: tunnel.device, index: link.index)
            }
            Log.info("replacing overlay device", ["device": tunnel.device, "port": "\(port)"])
            try netlink.deleteLink(index: link.index)
        }
        // The port is stored before the device exists, so that a kill in between leaves no device of an unknown port.
        try store.save(overlayPort: port)
        let mac = settings.deviceMAC(3)
        switch tunnel {
        case .vxlan: try netlink.createExternalVXLAN(tunnel.device, port: port, mac: mac, mtu: mtu)
        case .geneve: try netlink.createExternalGeneve(tunnel.device, port: port, mac: mac, mtu: mtu)
        }
        return Overlay(name: tunnel.device, index: try netlink.link(named: tunnel.device).index)
    }

    private static func ensureAddress(
        _ address: IPv4CIDR, linkIndex: Int32, _ netlink: borrowing NetlinkSocket
    ) throws {
        let present = try netlink.addresses(linkIndex: linkIndex).map(\.address)
        if !present.contains(address) { try netlink.addAddress(address, linkIndex: linkIndex) }
        for other in present where other != address { try netlink.deleteAddress(other, linkIndex: linkIndex) }
    }

    /// Brings the interface up without ARP, which nobody answers on this pair. The kernel then addresses frames to the
    /// interface itself, and the egress program rewrites them.
    private static func bringUpWithoutARP(_ name: String) throws(SystemError) {
        let path = "/sys/class/net/\(name)/flags"
        let text = String(decoding: try FileDescriptor.open(path, O_RDONLY).readToEnd(), as: UTF8.self)
        guard let flags = UInt32(text.prefix { !$0.isNewline }.dropFirst(2), radix: 16) else {
            throw SystemError(code: EINVAL, call: "read", subject: path)
        }
        let wanted = flags | UInt32(IFF_UP) | UInt32(IFF_NOARP)
        if wanted != flags { try FileDescriptor.open(path, O_WRONLY).writeAll("0x\(String(wanted, radix: 16))".utf8) }
    }
}

extension AgentSettings {
    /// A locally administered address that is the same after every boot of the node: 0e, the device's number, the
    /// node's address.
    fileprivate func deviceMAC(_ number: UInt8) -> MACAddress? {
        MACAddress(octets: [0x0e, number] + nodeAddress.octets)
    }
}
