import DatapathModel
import LinuxKernel
import Netlink
import RequestProxy

#if canImport(Glibc)
    import Glibc
#endif

/// The routes by which packets reach the proxy's sockets, which have addresses of others.
enum ProxyRoutes {
    /// The table's and the rule's number: Cilium's.
    static let table: UInt32 = 2004
    static let priority: UInt32 = 9

    static func ensure(_ netlink: borrowing NetlinkSocket) throws {
        let rule = RoutingRule(
            priority: priority, mark: RoutingRule.Mark(ProxyMark.toProxy, mask: ProxyMark.mask), table: table)
        try netlink.replaceLocalDefault(table: table, linkIndex: try netlink.link(named: "lo").index)
        do throws(SystemError) {
            try netlink.addRule(rule)
        } catch {
            if error.code != EEXIST { throw error }
        }
    }
}

extension AgentCore {
    /// The proxy runs from the first policy on that looks at requests; until then it costs nothing.
    mutating func startProxyIfNeeded() throws {
        guard proxy == nil, policies.units.contains(where: \.readsRequests) else { return }
        try ProxyRoutes.ensure(netlink)
        let (requests, rules, events) = (requestPolicies, policies.ruleNames, events)
        do {
            let started = try RequestProxy(RequestProxy.Settings(mark: ProxyMark.fromProxy)) {
                requests.allows($0, $1, rules, events)
            }
            proxy = started
            Log.info("proxy listens", ["port": "\(started.port)"])
        } catch {
            throw DatapathError.kernel("the proxy cannot listen: \(error)")
        }
    }
}
