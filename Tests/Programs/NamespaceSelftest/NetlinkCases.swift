import Glibc
import LinuxKernel
import NetAddress
import Netlink

let netlinkCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("netlink-links", linksAreMadeChangedAndDeleted),
    ("netlink-veth-namespace", aVethPeerIsBornInAnotherNamespace),
    ("netlink-addresses-routes", addressesRoutesAndNeighboursReadBack),
    ("netlink-qdiscs", queueingDisciplinesReadBack),
    ("netlink-errors", errorsCarryTheKernelsErrno),
]

@Sendable private func linksAreMadeChangedAndDeleted() throws {
    let socket = try NetlinkSocket()
    let mac = try require(MACAddress("02:00:00:00:00:01"))
    try socket.createBridge("br0", mac: mac, mtu: 1400)
    try socket.createVeth("left", peer: "right", mtu: 1450)
    try socket.createExternalVXLAN("vxlan0", port: 8472, mac: mac, mtu: 1450)
    let bridge = try socket.link(named: "br0")
    try expectEqual(bridge.mac, mac)
    try expectEqual(bridge.mtu, 1400)
    try expectEqual(bridge.kind, "bridge")
    let left = try socket.link(named: "left")
    try expectEqual(left.mtu, 1450)
    try expectEqual(try socket.link(named: "right").mtu, 1450)
    try expectEqual(left.peer, try socket.link(named: "right").index)
    try expectEqual(try socket.link(index: left.index).name, "left")

    let other = try require(MACAddress("02:00:00:00:00:02"))
    try socket.changeLink(index: left.index, LinkChange(isUp: true, mtu: 1300, mac: other, master: bridge.index))
    let changed = try socket.link(named: "left")
    try expect(changed.isUp && !changed.isRunning, "up without carrier")
    try expectEqual(changed.mtu, 1300)
    try expectEqual(changed.mac, other)
    try expectEqual(changed.master, bridge.index)
    try socket.setUp("right")
    try socket.setUp("vxlan0")
    try expect(try socket.link(named: "left").isRunning, "carrier")
    try socket.setDown("left")
    try expect(!(try socket.link(named: "left").isUp), "down")
    try socket.rename("left", to: "renamed")
    try expect(try socket.findLink(named: "left") == nil, "old name")
    try expectEqual(try socket.link(named: "renamed").index, left.index)
    try expectEqual(Set(try socket.links().map(\.name)), ["lo", "br0", "renamed", "right", "vxlan0"])
    try socket.deleteLink(named: "renamed")
    try expectEqual(Set(try socket.links().map(\.name)), ["lo", "br0", "vxlan0"])
}

@Sendable private func aVethPeerIsBornInAnotherNamespace() throws {
    let socket = try NetlinkSocket()
    let pod = try NetworkNamespace.create()
    try socket.createVeth("lxc1", peer: "eth0", peerNamespace: pod.rawDescriptor, mtu: 1450)
    try expect(try socket.findLink(named: "eth0") == nil, "peer is not here")
    try pod.run {
        let inside = try NetlinkSocket()
        try expectEqual(try inside.link(named: "eth0").mtu, 1450)
        try inside.setUp("eth0")
    }
    try socket.setUp("lxc1")
    try expect(try socket.link(named: "lxc1").isRunning, "carrier")
    try socket.createVeth("v0", peer: "v1")
    try socket.changeLink(named: "v0", LinkChange(name: "moved", namespace: pod.rawDescriptor))
    try pod.run { try expectEqual(try NetlinkSocket().link(named: "moved").kind, "veth") }
}

@Sendable private func addressesRoutesAndNeighboursReadBack() throws {
    let socket = try NetlinkSocket()
    try socket.create(kind: "bridge", "d0")
    let index = try socket.link(named: "d0").index
    let address = try require(IPv4CIDR("10.0.0.11/24"))
    try socket.setUp("d0")
    try socket.addAddress(address, linkIndex: index)
    try socket.addAddress(address, linkIndex: index)
    try expectEqual(try socket.addresses(linkIndex: index).map(\.address), [address])
    let connected = try require(try socket.routes().first)
    try expectEqual(connected.destination.description, "10.0.0.0/24")

    let viaGateway = Route(to: .any, via: IPv4Address(10, 0, 0, 1), linkIndex: index, mtu: 1400)
    try socket.replaceRoute(viaGateway)
    try socket.replaceRoute(viaGateway)
    let pods = Route(
        to: try require(IPv4CIDR("192.168.1.0/24")), via: IPv4Address(192, 168, 9, 1), linkIndex: index, isOnLink: true,
        source: IPv4Address(10, 0, 0, 11))
    try socket.replaceRoute(pods)
    let scopeLink = Route(to: try require(IPv4CIDR("169.254.1.1/32")), linkIndex: index, priority: 7)
    try socket.replaceRoute(scopeLink)
    let routes = Set(try socket.routes())
    try expect(routes.isSuperset(of: [viaGateway, pods, scopeLink]), "\(routes)")
    try socket.deleteRoute(pods)
    try expect(!(try socket.routes().contains(pods)), "deleted")

    let mac = try require(MACAddress("02:00:00:00:00:09"))
    try socket.setPermanentNeighbour(IPv4Address(169, 254, 1, 1), mac: mac, linkIndex: index)
    let entry = Neighbour(linkIndex: index, address: IPv4Address(169, 254, 1, 1), mac: mac)
    try expect(try socket.neighbours(linkIndex: index).contains(entry), "neighbour")
    try socket.deleteNeighbour(entry.address, linkIndex: index)
    try expect(!(try socket.neighbours(linkIndex: index).contains(entry)), "neighbour deleted")
    try socket.deleteAddress(address, linkIndex: index)
    try expect(try socket.addresses(linkIndex: index).isEmpty, "address deleted")
}

@Sendable private func queueingDisciplinesReadBack() throws {
    let socket = try NetlinkSocket()
    try socket.createVeth("a", peer: "b")
    let index = try socket.link(named: "a").index
    try socket.setUp("a")
    try socket.setUp("b")
    try socket.ensureClsact(linkIndex: index)
    try socket.ensureClsact(linkIndex: index)
    let kinds = try socket.qdiscs(linkIndex: index).map(\.kind)
    try expect(kinds.contains("clsact") && kinds.contains("noqueue"), "\(kinds)")
    try expect(try socket.netem(linkIndex: index) == nil, "no netem")
    let wanted = Netem(
        delay: 50_000, jitter: 5_000, loss: 0.1, corruption: 0.01, duplication: 0.02, reordering: 0.25, limit: 500)
    do {
        try socket.replaceNetem(wanted, linkIndex: index)
    } catch {
        guard error.code == ENOENT else { throw error }
        print("this kernel has no netem")
        return
    }
    let active = try require(try socket.netem(linkIndex: index))
    try expect(active.isClose(to: wanted), "\(active)")
    try socket.replaceNetem(Netem(loss: 1), linkIndex: index)
    let changed = try require(try socket.netem(linkIndex: index))
    try expect(changed.isClose(to: Netem(loss: 1)), "\(changed)")
    try socket.deleteRootQdisc(linkIndex: index)
    try expect(try socket.netem(linkIndex: index) == nil, "netem deleted")
}

@Sendable private func errorsCarryTheKernelsErrno() throws {
    let socket = try NetlinkSocket()
    func code(_ body: () throws -> Void) -> Int32? {
        do { try body() } catch let error as SystemError { return error.code } catch {}
        return nil
    }
    try socket.create(kind: "bridge", "d0")
    let index = try socket.link(named: "d0").index
    try expectEqual(code { try socket.create(kind: "bridge", "d0") }, EEXIST)
    try expectEqual(code { _ = try socket.link(named: "none") }, ENODEV)
    try expectEqual(code { try socket.deleteLink(index: 4711) }, ENODEV)
    try expectEqual(code { try socket.create(kind: "nonsense", "n0") }, EOPNOTSUPP)
    try expectEqual(code { try socket.deleteRoute(Route(to: .any, linkIndex: index)) }, ESRCH)
    try expectEqual(
        code { try socket.deleteAddress(IPv4CIDR(host: .loopback), linkIndex: index) }, EADDRNOTAVAIL)
    try expectEqual(
        code { try socket.replaceRoute(Route(to: .any, via: IPv4Address(9, 9, 9, 9), linkIndex: index)) }, ENETUNREACH)
    try expectEqual(code { try socket.deleteRootQdisc(linkIndex: index) }, ENOENT)
}
