import CLibnl
public import LinuxKernel
public import NetAddress

/// A unicast IPv4 route with one next hop.
public struct Route: Sendable, Hashable {
    public var destination: IPv4CIDR
    /// The next hop; nil when the destination is on the link.
    public var gateway: IPv4Address?
    public var linkIndex: Int32
    /// The gateway counts as reachable on the link even if no on-link prefix covers it (`RTNH_F_ONLINK`).
    public var isOnLink: Bool
    /// The preferred source address for packets of this host.
    public var source: IPv4Address?
    /// A path MTU lower than the interface's, in bytes.
    public var mtu: Int?
    /// The route with the lower priority wins (`RTA_PRIORITY`).
    public var priority: UInt32
    /// 254 is main, 255 local (`rt_class_t`).
    public var table: UInt32
    /// Who made the route (`rtm_protocol`): 2 is the kernel, 3 an administrator. A program that maintains routes uses
    /// its own number to find them again.
    public var origin: UInt8

    public init(
        to destination: IPv4CIDR, via gateway: IPv4Address? = nil, linkIndex: Int32, isOnLink: Bool = false,
        source: IPv4Address? = nil, mtu: Int? = nil, priority: UInt32 = 0, table: UInt32 = 254,
        origin: UInt8 = UInt8(RTPROT_BOOT)
    ) {
        self.destination = destination.network
        self.gateway = gateway
        self.linkIndex = linkIndex
        self.isOnLink = isOnLink
        self.source = source
        self.mtu = mtu
        self.priority = priority
        self.table = table
        self.origin = origin
    }
}

extension NetlinkSocket {
    /// Returns the unicast IPv4 routes of one table, which is main by default. Of a route with several next hops, this
    /// gives the first.
    public func routes(table: UInt32 = 254) throws(SystemError) -> [Route] {
        try dump("rtnl_route_alloc_cache", { rtnl_route_alloc_cache(handle, AF_INET, 0, $0) }) { entry in
            guard rtnl_route_get_table(entry) == table, rtnl_route_get_type(entry) == UInt8(RTN_UNICAST),
                let destination = ipv4CIDR(rtnl_route_get_dst(entry)), let hop = rtnl_route_nexthop_n(entry, 0)
            else { return nil }
            var mtu: UInt32 = 0
            let hasMTU = rtnl_route_get_metric(entry, Int32(RTAX_MTU), &mtu) == 0 && mtu > 0
            return Route(
                to: destination, via: ipv4Address(rtnl_route_nh_get_gateway(hop)),
                linkIndex: rtnl_route_nh_get_ifindex(hop),
                isOnLink: rtnl_route_nh_get_flags(hop) & UInt32(RTNH_F_ONLINK) != 0,
                source: ipv4Address(rtnl_route_get_pref_src(entry)), mtu: hasMTU ? Int(mtu) : nil,
                priority: rtnl_route_get_priority(entry), table: table,
                origin: rtnl_route_get_protocol(entry))
        }
    }

    /// Adds the route, or replaces the one with the same destination, priority and table, in one step.
    public func replaceRoute(_ route: Route) throws(SystemError) {
        let entry = try routeObject(route)
        let pointer = entry.pointer
        try request("rtnl_route_add", "\(route.destination)") {
            rtnl_route_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }

    /// Throws `ESRCH` when there is no such route.
    public func deleteRoute(_ route: Route) throws(SystemError) {
        let entry = try routeObject(route)
        let pointer = entry.pointer
        try request("rtnl_route_delete", "\(route.destination)") { rtnl_route_delete(handle, pointer, 0) }
    }

    private func routeObject(_ route: Route) throws(SystemError) -> NetlinkObject {
        let entry = try NetlinkObject("rtnl_route_alloc", rtnl_route_alloc())
        let pointer = entry.pointer
        let destination = try NetlinkAddress(route.destination)
        rtnl_route_set_family(pointer, UInt8(AF_INET))
        rtnl_route_set_table(pointer, route.table)
        rtnl_route_set_protocol(pointer, route.origin)
        rtnl_route_set_type(pointer, UInt8(RTN_UNICAST))
        rtnl_route_set_scope(pointer, UInt8(route.gateway == nil ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue))
        rtnl_route_set_priority(pointer, route.priority)
        try request("rtnl_route_set_dst", "\(route.destination)") { rtnl_route_set_dst(pointer, destination.pointer) }
        if let source = route.source {
            let address = try NetlinkAddress(source)
            try request("rtnl_route_set_pref_src", "\(source)") { rtnl_route_set_pref_src(pointer, address.pointer) }
        }
        if let mtu = route.mtu {
            try request("rtnl_route_set_metric", "mtu") {
                rtnl_route_set_metric(pointer, Int32(RTAX_MTU), UInt32(mtu))
            }
        }
        guard let hop = rtnl_route_nh_alloc() else { throw SystemError(code: ENOMEM, call: "rtnl_route_nh_alloc") }
        // From here on the route owns the next hop.
        rtnl_route_add_nexthop(pointer, hop)
        rtnl_route_nh_set_ifindex(hop, route.linkIndex)
        if let gateway = route.gateway {
            let address = try NetlinkAddress(gateway)
            rtnl_route_nh_set_gateway(hop, address.pointer)
        }
        if route.isOnLink { rtnl_route_nh_set_flags(hop, UInt32(RTNH_F_ONLINK)) }
        return entry
    }
}
