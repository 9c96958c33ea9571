import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// The kernel's part of an endpoint: a veth pair, with one end in the pod's network namespace. That end has a /32 and a
/// default route through the router.
package enum PodNetwork {
    /// Creates the pair with both ends down. It replaces an interface that a killed attempt left.
    ///
    /// - Returns: The index of the interface on the node.
    package static func connect(
        _ endpoint: EndpointRecord, namespace: borrowing NetworkNamespace, mtu: Int, _ netlink: borrowing NetlinkSocket
    ) throws -> Int32 {
        if let leftover = try netlink.findLink(named: endpoint.hostInterface) {
            try netlink.deleteLink(index: leftover.index)
        }
        try netlink.createVeth(
            endpoint.hostInterface, mac: MACAddress(endpoint.hostMAC), peer: endpoint.interface,
            peerMAC: MACAddress(endpoint.mac), peerNamespace: namespace.rawDescriptor, mtu: mtu)
        try Sysctl.set("net/ipv4/conf/\(endpoint.hostInterface)/rp_filter", "0")
        try Sysctl.setIfPresent("net/ipv6/conf/\(endpoint.hostInterface)/disable_ipv6", "1")
        return try netlink.link(named: endpoint.hostInterface).index
    }

    /// Sets address, routes and state of the pod's end.
    package static func configure(
        _ endpoint: EndpointRecord, router: IPv4Address, namespace: borrowing NetworkNamespace
    ) throws {
        guard let address = IPv4Address(endpoint.address) else {
            throw DatapathError.invalidConfiguration("endpoint address \(endpoint.address)")
        }
        let interface = endpoint.interface
        try namespace.run {
            let netlink = try NetlinkSocket()
            try netlink.setUp("lo")
            try Sysctl.setIfPresent("net/ipv6/conf/\(interface)/disable_ipv6", "1")
            let index = try netlink.link(named: interface).index
            try netlink.addAddress(IPv4CIDR(host: address), linkIndex: index)
            try netlink.changeLink(index: index, LinkChange(isUp: true))
            try netlink.replaceRoute(Route(to: IPv4CIDR(host: router), linkIndex: index))
            try netlink.replaceRoute(Route(to: .any, via: router, linkIndex: index))
        }
    }

    /// Sets the MTU of both ends, because a pod may outlive an agent's restart in another routing mode.
    static func setMTU(
        _ mtu: Int, of endpoint: EndpointRecord, namespace: borrowing NetworkNamespace,
        _ netlink: borrowing NetlinkSocket
    ) throws {
        let link = try netlink.link(named: endpoint.hostInterface)
        if link.mtu != mtu { try netlink.changeLink(index: link.index, LinkChange(mtu: mtu)) }
        let interface = endpoint.interface
        try namespace.run {
            let netlink = try NetlinkSocket()
            let link = try netlink.link(named: interface)
            if link.mtu != mtu { try netlink.changeLink(index: link.index, LinkChange(mtu: mtu)) }
        }
    }

    /// Returns what is wrong with the pod's end, or nil if it is as it was made.
    static func problem(
        _ endpoint: EndpointRecord, router: IPv4Address, namespace: borrowing NetworkNamespace
    ) throws -> String? {
        let interface = endpoint.interface
        let mac = endpoint.mac
        let expected = IPv4Address(endpoint.address).map { IPv4CIDR(host: $0) }
        return try namespace.run {
            let netlink = try NetlinkSocket()
            guard let link = try netlink.findLink(named: interface) else { return "\(interface) is missing in the pod" }
            guard link.mac?.description == mac else { return "\(interface) has another hardware address" }
            guard link.isUp else { return "\(interface) is down" }
            guard try netlink.addresses(linkIndex: link.index).contains(where: { $0.address == expected }) else {
                return "\(interface) lacks its address"
            }
            let routes = try netlink.routes()
            guard
                routes.contains(where: { $0.destination == .any && $0.gateway == router && $0.linkIndex == link.index })
            else { return "the default route is missing" }
            return nil
        }
    }

    /// Removes the pair. It is no error if that was done already. A pair that another plugin made is left to that
    /// plugin; until it goes, the program on it drops everything, because the endpoint is in no map.
    static func disconnect(_ endpoint: EndpointRecord, _ netlink: borrowing NetlinkSocket) throws(SystemError) {
        if endpoint.isChained { return }
        do throws(SystemError) {
            guard let link = try netlink.findLink(named: endpoint.hostInterface) else { return }
            try netlink.deleteLink(index: link.index)
        } catch {
            if error.code != ENODEV { throw error }
        }
    }
}
