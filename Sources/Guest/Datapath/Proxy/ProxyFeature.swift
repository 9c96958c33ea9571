import DNSWire
import DatapathModel
import LinuxKernel
import Netlink
import Policy
import RequestProxy

#if canImport(Glibc)
    import Glibc
#endif

/// The routes by which packets reach the proxy's sockets, which have foreign addresses.
enum ProxyRoutes {
    /// The number of the table and of the rule. Cilium uses the same.
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

/// The node's proxies. Each starts with the first policy that needs it, and costs nothing until then.
final class ProxyFeature: DatapathFeature {
    let name = "proxy"
    /// The proxy for HTTP requests that come to pods. The next one is for requests that pods send.
    private var ingress: RequestProxy?
    private var egress: RequestProxy?
    /// The proxy for pods' DNS queries.
    private var dns: NameProxy?
    /// What DNS answered the pods.
    let names: LearnedNames
    /// What the proxies ask to judge a request.
    let requests: RequestPolicies

    /// The preferred ports, so that packets find the proxy again after a restart.
    private static let ports: (ingress: UInt16, egress: UInt16, dns: UInt16) = (10_500, 10_501, 10_502)

    init(names: LearnedNames, requests: RequestPolicies) {
        self.names = names
        self.requests = requests
    }

    /// Returns the port on which a proxy listens, or 0 if it does not run.
    func port(_ direction: PolicyDirection, _ reader: RequestReader) -> UInt16 {
        switch (direction, reader) {
        case (.ingress, _): ingress?.port ?? 0
        case (.egress, .http): egress?.port ?? 0
        case (.egress, .dns): dns?.port ?? 0
        }
    }

    /// Removes names that have expired and that no connection uses.
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws {
        if names.isEmpty { return }
        let isChanged = names.expire(inUse: inUse.destinations)
        try core.store.save(names.entries)
        if isChanged { try core.enforcePolicies() }
    }

    /// Starts the proxies that the policies' rules need.
    func start(for policies: [PolicyUnit], _ core: inout AgentCore) throws {
        let rules = policies.flatMap(\.rules)
        func isNeeded(_ direction: PolicyDirection, _ reader: RequestReader) -> Bool {
            port(direction, reader) == 0
                && rules.contains { $0.direction == direction && $0.requests?.reader == reader }
        }
        let needed = (isNeeded(.ingress, .http), isNeeded(.egress, .http), isNeeded(.egress, .dns))
        guard needed.0 || needed.1 || needed.2 else { return }
        try ProxyRoutes.ensure(core.netlink)
        do {
            if needed.0 { ingress = try httpProxy(.ingress, core) }
            if needed.1 { egress = try httpProxy(.egress, core) }
            if needed.2 { dns = try nameProxy(core) }
        } catch {
            throw DatapathError.kernel("the proxy cannot listen: \(error)")
        }
    }

    private func httpProxy(_ direction: PolicyDirection, _ core: borrowing AgentCore) throws -> RequestProxy {
        let (requests, rules, events) = (requests, core.features.policy.state.ruleNames, core.events)
        var settings = RequestProxy.Settings(mark: ProxyMark.fromProxy)
        settings.port = direction == .ingress ? Self.ports.ingress : Self.ports.egress
        if direction == .egress { settings.side = .client(ownConnections(port: settings.port)) }
        let started = try RequestProxy(settings) { requests.allows($0, $1, direction, rules, events) }
        Log.info("proxy listens", ["port": "\(started.port)", "requests": "\(direction)"])
        return started
    }

    private func nameProxy(_ core: borrowing AgentCore) throws -> NameProxy {
        let (requests, names) = (requests, names)
        let (rules, events) = (core.features.policy.state.ruleNames, core.events)
        var settings = NameProxy.Settings(
            mark: ProxyMark.fromProxy, own: ownConnections(port: Self.ports.dns))
        settings.port = Self.ports.dns
        if core.settings.options.dnsProxy.dnsRejectResponseCode == .nameError { settings.refusal = .nameError }
        let started = try NameProxy(settings) { name, connection, transport in
            requests.allows(name: name, connection, transport, rules, events)
        } learn: { answer in
            try names.learn(answer, endpoint: requests.endpoint(at: answer.connection.client)?.id ?? 0)
        }
        Log.info("DNS proxy listens", ["port": "\(started.port)"])
        return started
    }

    /// - Parameter port: The listener's port, for readers of the conntrack table. Packets of these connections find
    ///   their sockets without it.
    private func ownConnections(port: UInt16) -> OwnConnections {
        let requests = requests
        return OwnConnections { connection, number in
            try requests.enter(connection, number, port: port)
        } hasEnded: { connection, number in
            requests.leave(connection, number, port: port)
        }
    }
}
