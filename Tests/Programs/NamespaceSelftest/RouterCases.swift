import Fabric
import Glibc
import LinuxKernel
import NetAddress
import Netlink

/// The VPC router, the internet gateway and the cloud's hosts, with namespaces in place of nodes.
let routerCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("router-subnets", routerSubnets),
    ("router-refusals", routerRefusals),
    ("router-discards", routerDiscards),
    ("router-internet", routerInternet),
    ("router-routes", routerRoutes),
    ("router-routes-change", routerRoutesChange),
    ("router-secondary", routerSecondary),
]

/// Two routed subnets and one that is not, a resolver, a host of the third subnet, and the internet.
private struct CloudVPC {
    let fabric: Fabric
    let nodes: [CloudNode]

    init(check: Bool = true, routes: [RouteSpec] = []) async throws {
        let groups = [
            SecurityGroup(
                name: "open",
                rules: [SecurityGroupRule(name: "all", protocol: .all), SecurityGroupRule.allowAllEgress]),
            SecurityGroup(
                name: "callers", rules: [SecurityGroupRule.allowAllEgress]),
            SecurityGroup(
                name: "closed",
                rules: [SecurityGroupRule(name: "none-out", direction: .egress, protocol: .tcp, ports: 9...9)]),
        ]
        let cloud = CloudSpec(
            vpc: try cidr("10.0.0.0/16"), routes: routes,
            hosts: [
                CloudHostSpec(name: "vpc-dns", subnet: "a", address: IPv4Address(10, 0, 0, 2)),
                CloudHostSpec(name: "store", subnet: "c", address: IPv4Address(10, 0, 2, 50)),
            ],
            internet: InternetSpec(
                name: "internet", network: try cidr("203.0.113.0/24"), address: IPv4Address(203, 0, 113, 10),
                further: [IPv4Address(1, 1, 1, 1)], publicNetwork: try cidr("198.51.100.0/24")),
            resolver: IPv4Address(10, 0, 0, 2))
        fabric = try await Fabric.start(
            FabricSpec(
                subnets: [
                    SubnetSpec(name: "a", cidr: try cidr("10.0.0.0/24"), bridge: "br-a"),
                    SubnetSpec(name: "b", cidr: try cidr("10.0.1.0/24"), bridge: "br-b"),
                    SubnetSpec(name: "c", cidr: try cidr("10.0.2.0/24"), bridge: "br-c", isRouted: false),
                ], securityGroups: groups, cloud: cloud))
        nodes = [
            try CloudNode(1, subnet: "a", address: IPv4Address(10, 0, 0, 11), group: "open", check: check),
            try CloudNode(2, subnet: "a", address: IPv4Address(10, 0, 0, 12), group: "open", check: check),
            try CloudNode(3, subnet: "b", address: IPv4Address(10, 0, 1, 13), group: "open", check: check),
            try CloudNode(4, subnet: "a", address: IPv4Address(10, 0, 0, 14), group: "closed", check: check),
            try CloudNode(5, subnet: "a", address: IPv4Address(10, 0, 0, 15), group: "callers", check: check),
        ]
        for node in nodes { try await fabric.attachNIC(node.nic) }
    }

    func discarded(_ reason: RouterDiscard.Reason, from source: IPv4Address, to target: IPv4Address) async throws {
        try await eventually("discard \(reason)", { await fabric.discards() }) { page in
            page.isComplete
                && page.discards.contains {
                    $0.reason == reason && $0.header.source == source && $0.header.destination == target
                }
        }
        let count = try await fabric.counters().discards[reason.rawValue] ?? 0
        try expect(count > 0, "\(reason) is not counted")
    }
}

private final class CloudNode: Sendable {
    let nic: NICSpec
    let namespace: NetworkNamespace

    init(_ number: UInt8, subnet: String, address: IPv4Address, group: String, check: Bool) throws {
        nic = NICSpec(
            interfaceID: "eni-\(number)", node: "node\(number)", tap: "tap\(number)",
            mac: MACAddress(rawValue: 0x5254_0000_0000 | UInt64(number)), address: address, subnet: subnet,
            groups: [group], sourceDestinationCheck: check, publicAddress: IPv4Address(198, 51, 100, 10 + number))
        namespace = try NetworkNamespace.create()
        try NetlinkSocket().createVeth(nic.tap, peer: "eth0", peerMAC: nic.mac, peerNamespace: namespace.rawDescriptor)
        let cidr = try require(IPv4CIDR(address, prefixLength: 24))
        let gateway = try require(cidr.host(1))
        try namespace.run {
            let inside = try NetlinkSocket()
            let index = try inside.link(named: "eth0").index
            try inside.setUp("lo")
            try inside.addAddress(cidr, linkIndex: index)
            try inside.setUp("eth0")
            try inside.replaceRoute(Route(to: .any, via: gateway, linkIndex: index))
        }
    }

    /// Further addresses of the node's own.
    func own(_ address: IPv4Address) throws {
        try namespace.run {
            let inside = try NetlinkSocket()
            try inside.addAddress(IPv4CIDR(host: address), linkIndex: try inside.link(named: "eth0").index)
        }
    }

    /// The error with which a port answers, 0 if it accepts, nil if it is silent.
    /// - Parameter type: With a datagram the answer is an ICMP error.
    func refusal(
        _ type: __socket_type, of target: IPv4Address, _ port: UInt16, within time: Duration = .seconds(5)
    ) throws -> Int32? {
        try namespace.run {
            let socket = try check("socket") {
                Glibc.socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            }
            defer { close(socket) }
            var address = socketAddress(target)
            address.sin_port = port.bigEndian
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status != 0, errno != EINPROGRESS { return errno }
            if type == SOCK_DGRAM { try check("send") { send(socket, [1], 1, 0) } }
            let events = Int16(type == SOCK_DGRAM ? POLLIN : POLLOUT)
            guard try waitUntilReady(socket, events: events, until: .after(time)) else { return nil }
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size)
            return error
        }
    }

    func pings(_ target: IPv4Address, from source: IPv4Address? = nil, within time: Duration = .seconds(2)) throws
        -> Bool
    {
        try ping(target, from: source, in: namespace, within: time)
    }
}

private func cidr(_ text: String) throws -> IPv4CIDR { try require(IPv4CIDR(text)) }

private func socketAddress(_ address: IPv4Address) -> sockaddr_in {
    var result = sockaddr_in()
    result.sin_family = sa_family_t(AF_INET)
    result.sin_addr.s_addr = address.networkByteOrder
    return result
}

/// Whether the address that was asked answers an echo.
private func ping(
    _ target: IPv4Address, from source: IPv4Address?, in namespace: borrowing NetworkNamespace, within time: Duration
) throws -> Bool {
    try namespace.run {
        let socket = try check("socket") { Glibc.socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMP)) }
        defer { close(socket) }
        if let source {
            var address = socketAddress(source)
            try check("bind", "\(source)") {
                withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }
        // The fields are type 8, its checksum, identifier 0x4C52 and sequence number 1.
        let echo: [UInt8] = [8, 0, 0xAB, 0xAC, 0x4C, 0x52, 0, 1]
        var address = socketAddress(target)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, echo, echo.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard sent == echo.count else { return false }
        let deadline = Deadline.after(time)
        while try waitUntilReady(socket, events: Int16(POLLIN), until: deadline) {
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count >= 28, buffer[20] == 0, buffer[24] == 0x4C, buffer[25] == 0x52 else { continue }
            return IPv4Address(octets: buffer[12..<16]) == target
        }
        return false
    }
}

@Sendable private func routerSubnets() async throws {
    let vpc = try await CloudVPC()
    try expect(try vpc.nodes[0].pings(IPv4Address(10, 0, 0, 1)), "the gateway does not answer")
    try expect(try vpc.nodes[0].pings(IPv4Address(10, 0, 0, 12)), "no way within a subnet")
    try expect(try vpc.nodes[0].pings(IPv4Address(10, 0, 1, 13)), "no way from subnet to subnet")
    try expect(try vpc.nodes[2].pings(IPv4Address(10, 0, 0, 2)), "no way to the resolver")
    try expect(try vpc.nodes[0].pings(CloudSpec.metadataAddress), "no metadata")
    try expect(try vpc.nodes[3].pings(CloudSpec.metadataAddress), "a security group filters metadata")
    try expect(
        try !vpc.nodes[0].pings(IPv4Address(10, 0, 2, 50), within: .milliseconds(300)),
        "a subnet that is not routed is reached")
    try expect(
        try !vpc.nodes[0].pings(IPv4Address(10, 0, 1, 99), within: .milliseconds(300)), "nobody answered for nobody")
    let seen = await vpc.fabric.sightings(matching: FlowFilter(node: "vpc-dns"))
    try expect(
        seen.sightings.contains { $0.outer?.source == IPv4Address(10, 0, 1, 13) }, "the resolver's port saw nothing")
    let nodes = await vpc.fabric.sightings()
    try expect(nodes.sightings.allSatisfy { $0.node.hasPrefix("node") }, "a place of the cloud is among the nodes")
}

/// What a host of another subnet answers to a closed port comes through, to a node whose security group lets in nothing
/// else. A packet between subnets passes two bridges.
@Sendable private func routerRefusals() async throws {
    let vpc = try await CloudVPC()
    let (caller, far, near) = (vpc.nodes[4], vpc.nodes[2].nic.address, vpc.nodes[1].nic.address)
    for target in [near, far] {
        for type in [SOCK_STREAM, SOCK_DGRAM] {
            let error = try caller.refusal(type, of: target, 4444)
            try expect(error == ECONNREFUSED, "\(target) type \(type): \(error.map { "\($0)" } ?? "silent")")
        }
    }
    // What nobody asked for is dropped.
    let stranger = try vpc.nodes[2].refusal(SOCK_STREAM, of: caller.nic.address, 4444, within: .seconds(1))
    try expect(stranger == nil, "a stranger reached the caller: \(stranger ?? 0)")
}

@Sendable private func routerDiscards() async throws {
    let vpc = try await CloudVPC(check: false)
    let pod = IPv4Address(192, 168, 1, 5)
    let (node, resolver, world) = (vpc.nodes[0], IPv4Address(10, 0, 0, 2), IPv4Address(1, 1, 1, 1))
    try node.own(pod)
    // The request gets there, within the subnet. The answer does not come back.
    try expect(try !node.pings(resolver, from: pod, within: .milliseconds(500)), "the VPC has a route back to pods")
    try await vpc.discarded(.destinationUnknown, from: resolver, to: pod)
    let seen = await vpc.fabric.sightings(matching: FlowFilter(node: "vpc-dns", source: pod))
    try expect(!seen.sightings.isEmpty, "the pod's echo did not come to the resolver")
    try expect(try !node.pings(world, from: pod, within: .milliseconds(300)), "a pod's address on the internet")
    try await vpc.discarded(.sourceUnknown, from: pod, to: world)
    let outside = await vpc.fabric.sightings(matching: FlowFilter(node: "internet", source: pod))
    try expect(outside.sightings.isEmpty, "the internet saw a pod's address")
    try expect(
        try !node.pings(IPv4Address(172, 16, 0, 1), within: .milliseconds(300)), "somebody else's network answered")
    try await vpc.discarded(.destinationUnknown, from: node.nic.address, to: IPv4Address(172, 16, 0, 1))
    let after = MonotonicTime.now
    try expect(await vpc.fabric.discards(since: after).discards.isEmpty, "old discards are new")
}

@Sendable private func routerInternet() async throws {
    let vpc = try await CloudVPC()
    let world = IPv4Address(1, 1, 1, 1)
    try expect(try vpc.nodes[0].pings(world), "no internet")
    try expect(try vpc.nodes[2].pings(IPv4Address(203, 0, 113, 10)), "no internet from the second subnet")
    let seen = await vpc.fabric.sightings(matching: FlowFilter(node: "internet", destination: world))
    try expect(
        seen.sightings.contains { $0.outer?.source == IPv4Address(198, 51, 100, 11) }, "no public address: \(seen)")
    // In the other direction: to a node's public address, and to one that nobody has.
    let descriptor = try await vpc.fabric.namespaceDescriptor(of: "internet")
    let internet = try NetworkNamespace(path: "/proc/self/fd/\(descriptor.rawValue)")
    try expect(
        try ping(IPv4Address(198, 51, 100, 13), from: nil, in: internet, within: .seconds(2)), "no way to a node")
    try expect(
        try !ping(IPv4Address(198, 51, 100, 77), from: nil, in: internet, within: .milliseconds(300)),
        "nobody answered")
    try await vpc.discarded(
        .publicAddressUnknown, from: IPv4Address(203, 0, 113, 10), to: IPv4Address(198, 51, 100, 77))
    try await vpc.fabric.setSecondaryAddresses([IPv4Address(10, 0, 0, 40)], of: "eni-1")
    try vpc.nodes[0].own(IPv4Address(10, 0, 0, 40))
    try expect(
        try !vpc.nodes[0].pings(world, from: IPv4Address(10, 0, 0, 40), within: .milliseconds(300)),
        "a secondary address has no public one")
    try await vpc.discarded(.noPublicAddress, from: IPv4Address(10, 0, 0, 40), to: world)
}

@Sendable private func routerRoutes() async throws {
    let pods = try cidr("192.168.2.0/24")
    let pod = IPv4Address(192, 168, 2, 5)
    let vpc = try await CloudVPC(check: false, routes: [RouteSpec(destination: pods, interfaceID: "eni-2")])
    try vpc.nodes[1].own(pod)
    try expect(try vpc.nodes[2].pings(pod), "the route leads nowhere")
    try expect(try vpc.nodes[1].pings(IPv4Address(10, 0, 0, 2), from: pod), "no answer back to a routed pod")
    let before = try await vpc.fabric.snapshot()
    try expect(before.routes.contains { $0.contains("192.168.2.0/24") }, "the route is not read back")
    try await vpc.fabric.detachNIC("eni-2")
    let after = try await vpc.fabric.snapshot()
    try expect(!after.routes.contains { $0.contains("192.168.2.0/24") }, "the route outlived its interface")
    try expect(try !vpc.nodes[2].pings(pod, within: .milliseconds(300)), "a packet finds the way without a route")
}

/// Routes come and go while packets are sent, as a route controller has it.
@Sendable private func routerRoutesChange() async throws {
    let pods = try cidr("192.168.2.0/24")
    let pod = IPv4Address(192, 168, 2, 5)
    let vpc = try await CloudVPC(check: false)
    try vpc.nodes[1].own(pod)
    let before = try await vpc.fabric.snapshot()
    try expect(try !vpc.nodes[2].pings(pod, within: .milliseconds(300)), "a packet finds the way without a route")
    try await vpc.discarded(.destinationUnknown, from: vpc.nodes[2].nic.address, to: pod)
    try await vpc.fabric.addRoute(RouteSpec(destination: pods, interfaceID: "eni-2"))
    try expect(try vpc.nodes[2].pings(pod), "the route leads nowhere")
    for (destination, code) in [("192.168.2.128/25", FabricError.Code.exists), ("10.0.0.0/24", .invalid)] {
        do {
            try await vpc.fabric.addRoute(RouteSpec(destination: try cidr(destination), interfaceID: "eni-1"))
            throw Unexpected(description: "a route to \(destination)")
        } catch let error as FabricError where error.code == code {}
    }
    try await vpc.fabric.removeRoute(to: pods)
    try expect(try !vpc.nodes[2].pings(pod, within: .milliseconds(300)), "the route is there still")
    let differences = before.differences(to: try await vpc.fabric.snapshot())
    try expect(differences.isEmpty, "left behind: \(differences)")
    do {
        try await vpc.fabric.removeRoute(to: pods)
        throw Unexpected(description: "a route is removed twice")
    } catch let error as FabricError where error.code == .unknown {}
    // A route to an interface that is plugged in later.
    try await vpc.fabric.addRoute(RouteSpec(destination: pods, interfaceID: "eni-9"))
    try expect(await vpc.fabric.routeTable.map(\.interfaceID) == ["eni-9"], "the route is not told")
    try expect(try !vpc.nodes[2].pings(pod, within: .milliseconds(300)), "a route without an interface leads somewhere")
}

@Sendable private func routerSecondary() async throws {
    let vpc = try await CloudVPC()
    let address = IPv4Address(10, 0, 0, 40)
    let before = try await vpc.fabric.snapshot()
    try expect(try !vpc.nodes[1].pings(address, within: .milliseconds(300)), "somebody answers already")
    try await vpc.fabric.setSecondaryAddresses([address], of: "eni-1")
    // The address is behind the node and not its interface's own, so nobody in the node answers ARP for it.
    try vpc.nodes[0].namespace.run {
        let inside = try NetlinkSocket()
        try inside.addAddress(IPv4CIDR(host: address), linkIndex: try inside.link(named: "lo").index)
        for path in ["all", "eth0"] {
            try FileDescriptor.open("/proc/sys/net/ipv4/conf/\(path)/arp_ignore", O_WRONLY).writeAll(Array("1\n".utf8))
        }
    }
    try expect(try vpc.nodes[1].pings(address), "the VPC does not answer ARP within the subnet")
    try expect(try vpc.nodes[2].pings(address), "the router does not know it")
    try expect(try vpc.nodes[0].pings(IPv4Address(10, 0, 0, 2), from: address), "the resolver does not know it")
    do {
        try await vpc.fabric.setSecondaryAddresses([address], of: "eni-2")
        throw Unexpected(description: "one address on two interfaces")
    } catch let error as FabricError where error.code == .exists {}
    try await vpc.fabric.setSecondaryAddresses([], of: "eni-1")
    let differences = before.differences(to: try await vpc.fabric.snapshot())
    try expect(differences.isEmpty, "left behind: \(differences)")
}
