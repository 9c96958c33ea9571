public import LinuxKernel
public import NetAddress
import Netlink

// The parts of the VPC that are not nodes: the router, the internet gateway and the hosts.
extension Fabric {
    static let internetBridge = "inet0"

    var bridges: [String] { spec.subnets.map(\.bridge) + (spec.cloud?.internet == nil ? [] : [Self.internetBridge]) }

    /// Makes the router and the hosts of the specification, if it has any.
    func buildCloud() throws {
        guard let cloud = spec.cloud else { return }
        let router = try VPCRouter(cloud, subnets: spec.subnets, logGroup: discardGroup)
        for subnet in spec.subnets where subnet.isRouted {
            let port = CloudPort(
                place: VPCRouter.place, tap: "rtr\(ports.count)", mac: subnet.gatewayMAC, address: subnet.gateway,
                subnet: subnet.name)
            try router.join(
                subnet, bridge: try netlink.link(named: subnet.bridge).index, lab: netlink, port: port, mtu: spec.mtu)
            ports.append(port)
        }
        for host in cloud.hosts {
            guard let subnet = spec.subnets.first(where: { $0.name == host.subnet }) else { continue }
            try addHost(host, on: subnet)
        }
        if let internet = cloud.internet { try buildInternet(internet, router) }
        for port in ports { disableIPv6(on: port.tap) }
        self.router = router
    }

    private func addHost(_ host: CloudHostSpec, on subnet: SubnetSpec) throws {
        let made = try CloudNamespace(host.name)
        let port = CloudPort(
            place: host.name, tap: "host\(hosts.count)", mac: CloudPort.mac(of: host.address), address: host.address,
            subnet: subnet.name)
        guard let address = IPv4CIDR(host.address, prefixLength: subnet.cidr.prefixLength) else { return }
        try made.join(
            bridge: try netlink.link(named: subnet.bridge).index, lab: netlink, port: port, interface: "eth0",
            address: address, mtu: spec.mtu)
        if subnet.isRouted {
            let index = try made.netlink.link(named: "eth0").index
            try made.netlink.replaceRoute(Route(to: .any, via: subnet.gateway, linkIndex: index))
        }
        let membership = ruleset.members("add", [host.address], of: host.groups)
        if !membership.isEmpty { try nftables.run(membership) }
        hosts.append(made)
        ports.append(port)
    }

    private func buildInternet(_ internet: InternetSpec, _ router: VPCRouter) throws {
        try netlink.createBridge(
            Self.internetBridge, mac: CloudPort.bridgeMAC(of: internet.gateway), mtu: spec.mtu)
        disableIPv6(on: Self.internetBridge)
        let bridge = try netlink.link(named: Self.internetBridge).index
        try netlink.changeLink(index: bridge, LinkChange(isUp: true))
        let gateway = CloudPort(
            place: "internet-gateway", tap: "igw", mac: CloudPort.mac(of: internet.gateway), address: internet.gateway,
            subnet: Self.internetBridge)
        try router.join(internet, bridge: bridge, lab: netlink, port: gateway, mtu: spec.mtu)
        let made = try CloudNamespace(internet.name)
        let port = CloudPort(
            place: internet.name, tap: "inet", mac: CloudPort.mac(of: internet.address), address: internet.address,
            subnet: Self.internetBridge)
        guard let address = IPv4CIDR(internet.address, prefixLength: internet.network.prefixLength) else { return }
        try made.join(bridge: bridge, lab: netlink, port: port, interface: "eth0", address: address, mtu: spec.mtu)
        let index = try made.netlink.link(named: "eth0").index
        for further in internet.further {
            try made.netlink.addAddress(IPv4CIDR(host: further), linkIndex: index)
        }
        try made.netlink.replaceRoute(Route(to: internet.publicNetwork, via: internet.gateway, linkIndex: index))
        hosts.append(made)
        ports += [gateway, port]
    }

    /// A duplicate of the descriptor of a host's network namespace; `vpc-router` is the router's.
    ///
    /// - Throws: `FabricError` with code `unknown` when there is no such host.
    public func namespaceDescriptor(of host: String) throws -> FileDescriptor {
        let all = hosts + (router.map { [$0.cloud] } ?? [])
        guard let found = all.first(where: { $0.name == host }) else {
            let names = all.map(\.name).sorted().joined(separator: ", ")
            throw FabricError(.unknown, "no host named \(host) in the VPC; there are: \(names)")
        }
        return try FileDescriptor.open("/proc/self/fd/\(found.namespace.rawDescriptor)", 0)
    }

    // MARK: Interfaces

    func enterCloud(_ nic: NICSpec) throws {
        guard let router else { return }
        try router.attach(nic)
        if !nic.secondaryAddresses.isEmpty { try answer(for: nic.secondaryAddresses, of: nic) }
    }

    func leaveCloud(_ nic: NICSpec) throws {
        guard let router else { return }
        try router.detach(nic)
        try silence(nic.secondaryAddresses, of: nic)
    }

    /// Replaces an interface's secondary addresses. When the call returns, checks, security groups and the router know
    /// them.
    ///
    /// As in AWS, the VPC answers ARP for them: the node need not have them on its own interface.
    public func setSecondaryAddresses(_ addresses: [IPv4Address], of interfaceID: String) throws {
        let before = try attached(interfaceID).nic
        guard let subnet = spec.subnets.first(where: { $0.name == before.subnet }) else { return }
        var nic = before
        nic.secondaryAddresses = addresses
        let added = Set(addresses).subtracting(before.addresses)
        let removed = Set(before.secondaryAddresses).subtracting(addresses)
        if let stranger = added.first(where: { !subnet.cidr.contains($0) }) {
            throw FabricError(.invalid, "\(interfaceID): \(stranger) is not in \(subnet.cidr)")
        }
        for other in interfaces.values.map(\.nic) where other.interfaceID != interfaceID {
            if let taken = added.first(where: other.addresses.contains) {
                throw FabricError(.exists, "\(interfaceID): \(taken) is that of \(other.interfaceID)")
            }
        }
        let commands =
            ruleset.addresses("delete", removed.sorted(), of: nic) + ruleset.addresses("add", added.sorted(), of: nic)
        if !commands.isEmpty { try nftables.run(commands) }
        interfaces[interfaceID]?.nic = nic
        observation.update(nic)
        guard let router else { return }
        try router.change(nic, from: before)
        try silence(removed.sorted(), of: nic)
        try answer(for: added.sorted(), of: nic)
    }

    private func answer(for addresses: [IPv4Address], of nic: NICSpec) throws {
        guard let interface = interfaces[nic.interfaceID], !addresses.isEmpty else { return }
        let bridge = try netlink.link(named: interface.bridge).index
        try netlink.setBridgePort(index: interface.linkIndex, answersARP: true)
        try netlink.addForwardingEntry(nic.mac, port: interface.linkIndex)
        for address in addresses {
            try netlink.setPermanentNeighbour(address, mac: nic.mac, linkIndex: bridge)
        }
    }

    private func silence(_ addresses: [IPv4Address], of nic: NICSpec) throws {
        guard let interface = interfaces[nic.interfaceID], !addresses.isEmpty else { return }
        let bridge = try netlink.link(named: interface.bridge).index
        for address in addresses { try netlink.deleteNeighbour(address, linkIndex: bridge) }
    }

    // MARK: Route table

    /// The routes of the VPC's route table besides those of its subnets and the one to the internet gateway.
    public var routeTable: [RouteSpec] { router?.routes ?? [] }

    /// Adds a route to the route table. When the call returns, packets follow it.
    ///
    /// - Throws: `FabricError`: `exists` if the destination overlaps another route's, `invalid` if it overlaps the VPC,
    ///   `unsupported` for a fabric without a router.
    public func addRoute(_ route: RouteSpec) throws {
        guard let cloud = spec.cloud, let router else {
            throw FabricError(.unsupported, "route to \(route.destination): the fabric has no router")
        }
        try route.validate(vpc: cloud.vpc)
        if let other = router.routes.first(where: { $0.destination.overlaps(route.destination) }) {
            throw FabricError(.exists, "route to \(route.destination): there is one to \(other.destination)")
        }
        try router.add(route, interfaces[route.interfaceID]?.nic)
    }

    /// Takes a route out of the route table.
    ///
    /// - Throws: `FabricError` with code `unknown` when there is none to this destination.
    public func removeRoute(to destination: IPv4CIDR) throws {
        guard let router, let route = router.routes.first(where: { $0.destination == destination.network }) else {
            throw FabricError(.unknown, "no route to \(destination)")
        }
        try router.remove(route)
    }

    // MARK: Discarded packets

    func discardCounters() throws -> [String: UInt64] {
        guard let router else { return [:] }
        var counted: [String: UInt64] = [:]
        for rule in try router.listing().rules where RouterDiscard.Reason(rawValue: rule.comment) != nil {
            counted[rule.comment, default: 0] += rule.packets
        }
        return counted
    }

    /// Packets that the router and the internet gateway discarded since a moment, oldest first.
    ///
    /// The answer is complete only if the log has a record of every packet that, by the counters, was discarded.
    public func discards(since: MonotonicTime? = nil) async -> DiscardPage {
        let counted = isStopped ? nil : try? discardCounters().values.reduce(0, +)
        return await observation.discards(since: since, counted: counted, isStopped: isStopped)
    }
}
