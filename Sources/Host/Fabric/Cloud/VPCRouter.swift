import Glibc
import LinuxKernel
import NetAddress
import Netlink

/// The VPC's router with its route table, and the internet gateway, in a network namespace of their own.
///
/// The kernel does the forwarding. The router learns the interfaces' hardware addresses from the fabric and sends no
/// ARP requests; a packet for a host that is not there is lost without an answer, as in AWS. Only the fabric's queue
/// uses this class.
final class VPCRouter: @unchecked Sendable {
    static let place = "vpc-router"

    let cloud: CloudNamespace
    private let nftables: NftablesContext
    private let rules: RouterRuleset
    /// The index of the router's interface in each routed subnet, by the subnet's name.
    private var links: [String: Int32] = [:]
    private(set) var routes: [RouteSpec]
    private var installed: [RouteSpec: Route] = [:]

    init(_ spec: CloudSpec, subnets: [SubnetSpec], logGroup: UInt16) throws {
        cloud = try CloudNamespace(Self.place)
        nftables = try cloud.namespace.run { ContextBox(try NftablesContext()) }.take()
        rules = RouterRuleset(cloud: spec, subnets: subnets.filter(\.isRouted).map(\.cidr), logGroup: logGroup)
        routes = spec.routes
        for (path, value) in [
            ("net/ipv4/conf/all/rp_filter", "0"), ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/conf/all/send_redirects", "0"), ("net/ipv4/conf/default/send_redirects", "0"),
            ("net/ipv4/ip_forward", "1"),
        ] {
            try cloud.setting(path, value)
        }
        // The router may see only one direction of a connection, so conntrack must not take its packets for invalid.
        try cloud.setting("net/netfilter/nf_conntrack_tcp_be_liberal", "1", isOptional: true)
        try nftables.run(rules.base)
        guard let address = IPv4CIDR(CloudSpec.metadataAddress, prefixLength: 32) else { return }
        try cloud.netlink.addAddress(address, linkIndex: try cloud.netlink.link(named: "lo").index)
    }

    /// Opens the log of discarded packets. The handle stays in the namespace.
    func openLog(_ group: UInt16) throws -> PcapHandle {
        try cloud.namespace.run {
            HandleBox(try PcapHandle(device: "nflog:\(group)", snapLength: 65_535, bufferSize: 1 << 20))
        }.take()
    }

    /// Joins a subnet as its gateway.
    func join(_ subnet: SubnetSpec, bridge: Int32, lab: borrowing NetlinkSocket, port: CloudPort, mtu: Int) throws {
        let interface = "sub\(links.count)"
        guard let address = IPv4CIDR(subnet.gateway, prefixLength: subnet.cidr.prefixLength) else { return }
        try cloud.join(bridge: bridge, lab: lab, port: port, interface: interface, address: address, mtu: mtu)
        links[subnet.name] = try cloud.netlink.link(named: interface).index
    }

    /// Joins the network beyond which the internet is.
    func join(_ internet: InternetSpec, bridge: Int32, lab: borrowing NetlinkSocket, port: CloudPort, mtu: Int) throws {
        guard let address = IPv4CIDR(internet.gateway, prefixLength: internet.network.prefixLength) else { return }
        let interface = RouterRuleset.gatewayInterface
        try cloud.join(bridge: bridge, lab: lab, port: port, interface: interface, address: address, mtu: mtu)
        let index = try cloud.netlink.link(named: interface).index
        try cloud.netlink.replaceRoute(Route(to: .any, via: internet.address, linkIndex: index))
    }

    // MARK: Interfaces

    /// Learns an interface's addresses, and opens the routes that lead to it.
    func attach(_ nic: NICSpec) throws {
        for address in nic.addresses { try learn(address, nic) }
        if let address = nic.publicAddress {
            try nftables.run(rules.publicAddress("add", address, of: nic.address))
        }
        for route in routes where route.interfaceID == nic.interfaceID { try install(route, nic) }
    }

    func detach(_ nic: NICSpec) throws {
        for route in routes where route.interfaceID == nic.interfaceID { try uninstall(route) }
        if let address = nic.publicAddress {
            try nftables.run(rules.publicAddress("delete", address, of: nic.address))
        }
        for address in nic.addresses { try forget(address, nic) }
    }

    func change(_ nic: NICSpec, from before: NICSpec) throws {
        for address in Set(before.addresses).subtracting(nic.addresses) { try forget(address, before) }
        for address in Set(nic.addresses).subtracting(before.addresses) { try learn(address, nic) }
    }

    private func learn(_ address: IPv4Address, _ nic: NICSpec) throws {
        guard let link = links[nic.subnet] else { return }
        try cloud.netlink.setPermanentNeighbour(address, mac: nic.mac, linkIndex: link)
    }

    private func forget(_ address: IPv4Address, _ nic: NICSpec) throws {
        guard let link = links[nic.subnet] else { return }
        try cloud.netlink.deleteNeighbour(address, linkIndex: link)
    }

    // MARK: Route table

    /// Adds a route.
    ///
    /// - Parameter nic: The interface that it leads to; nil while that is detached.
    func add(_ route: RouteSpec, _ nic: NICSpec?) throws {
        if let nic { try install(route, nic) }
        routes.append(route)
    }

    func remove(_ route: RouteSpec) throws {
        try uninstall(route)
        routes.removeAll { $0 == route }
    }

    private func install(_ route: RouteSpec, _ nic: NICSpec) throws {
        guard let link = links[nic.subnet] else {
            throw FabricError(.invalid, "route to \(route.destination): subnet \(nic.subnet) is not routed")
        }
        let entry = Route(to: route.destination, via: nic.address, linkIndex: link, isOnLink: true)
        try cloud.netlink.replaceRoute(entry)
        try nftables.run([rules.known("add", route.destination)])
        installed[route] = entry
    }

    private func uninstall(_ route: RouteSpec) throws {
        guard let entry = installed.removeValue(forKey: route) else { return }
        try nftables.run([rules.known("delete", route.destination)])
        try cloud.netlink.deleteRoute(entry)
    }

    // MARK: Reading back

    func listing() throws -> NftablesListing {
        try NftablesListing(json: nftables.list("table ip \(RouterRuleset.table)"))
    }

    /// The kernel's routes and permanent neighbours, each as a line of text.
    func state() throws -> (routes: [String], neighbours: [String]) {
        let names = Dictionary(try cloud.netlink.links().map { ($0.index, $0.name) }) { first, _ in first }
        let routes = try cloud.netlink.routes().map { route in
            "\(route.destination) via \(route.gateway?.description ?? "-") on \(names[route.linkIndex] ?? "?")"
        }
        let neighbours = try cloud.netlink.neighbours().filter(\.isPermanent).map { neighbour in
            "\(neighbour.address) at \(neighbour.mac?.description ?? "-") on \(names[neighbour.linkIndex] ?? "?")"
        }
        return (routes.sorted(), neighbours.sorted())
    }
}

private final class ContextBox: @unchecked Sendable {
    private var context: NftablesContext?

    init(_ context: consuming NftablesContext) { self.context = consume context }

    func take() throws(FabricError) -> NftablesContext {
        guard let context = context.take() else { throw FabricError(.nftables, "nft_ctx_new: taken twice") }
        return context
    }
}

private final class HandleBox: @unchecked Sendable {
    private var handle: PcapHandle?

    init(_ handle: consuming PcapHandle) { self.handle = consume handle }

    func take() throws(FabricError) -> PcapHandle {
        guard let handle = handle.take() else { throw FabricError(.capture, "log: taken twice") }
        return handle
    }
}
