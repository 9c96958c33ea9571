import AgentAPI
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// The agent's routes in the node's main table: to its own pods, or to all pods, through `labrun_host`, and with
/// `autoDirectNodeRoutes` to every other node's pods. All have the agent's number. By it, a restart in another mode
/// finds and removes the routes of the former mode.
enum NodeRoutes {
    /// The `rtm_protocol` of the agent's routes. It is a number that nobody else uses (`/etc/iproute2/rt_protos`).
    static let origin: UInt8 = 108

    /// Returns every route that must exist. It is pure.
    ///
    /// - Parameters:
    ///   - local: The ranges that lead to `labrun_host`.
    ///   - onLink: The prefixes that the device reaches without a gateway.
    ///
    /// - Returns: The routes, and the nodes that no direct route can reach, each with the reason.
    static func desired(
        local: [IPv4CIDR], router: IPv4Address, hostIndex: Int32, deviceIndex: Int32, onLink: [IPv4CIDR], mtu: Int,
        own: String, nodes: [NodeEntry], makesNodeRoutes: Bool
    ) -> (routes: [Route], refused: [String]) {
        var routes = local.map { Route(to: $0, linkIndex: hostIndex, source: router, mtu: mtu, origin: origin) }
        var refused: [String] = []
        for node in nodes where makesNodeRoutes && node.name != own {
            guard let range = IPv4CIDR(node.podCIDR), let address = IPv4Address(node.address) else { continue }
            guard onLink.contains(where: { $0.contains(address) }) else {
                refused.append("autoDirectNodeRoutes: \(node.name) (\(address)) is not on the device's own network")
                continue
            }
            routes.append(Route(to: range, via: address, linkIndex: deviceIndex, mtu: mtu, origin: origin))
        }
        return (routes, refused)
    }

    /// Makes the main table hold exactly these of the agent's routes. It adds missing ones before it removes
    /// superfluous ones.
    static func reconcile(_ desired: [Route], _ netlink: borrowing NetlinkSocket) throws(SystemError) {
        let present = try netlink.routes().filter { $0.origin == origin }
        for route in desired where !present.contains(route) { try netlink.replaceRoute(route) }
        let destinations = Set(desired.map(\.destination))
        for route in present where !destinations.contains(route.destination) {
            do throws(SystemError) {
                try netlink.deleteRoute(route)
            } catch {
                // The route disappeared with its interface in the meantime.
                if error.code != ESRCH { throw error }
            }
        }
    }
}
