import BPF
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

/// What a test run cannot show: the filters on real (virtual) interfaces of a network namespace made for it, the frame that
/// leaves encapsulated, and the one that arrives so.
///
///     podpeer ─ pod [from_container, to_container] … overlay [from_overlay] … eth0 ─ wire
///                                                  … host ─ hostpeer (the stack's way to the pods of other nodes)
enum WireTest {
    private static let patience: Int32 = 2000
    private static let payload = Frame.udp(40_000, 8080)
    private static let vxlanHeaders = 14 + 20 + 8 + 8
    private static let hostDeviceMAC = TestNode.neighbourHostMAC

    /// The problems found.
    static func problems() throws -> [String] {
        try NetworkNamespace.create().run { try runInNamespace() }
    }

    private struct Links {
        let pod: Int32
        let podPeer: Int32
        let node: Int32
        let wire: Int32
        let overlay: Int32
        let host: Int32
        let hostPeer: Int32
    }

    private static func runInNamespace() throws -> [String] {
        let links = try makeLinks()
        var lxc = try EmbeddedObject.lxc.open()
        try lxc.load()
        var overlay = try EmbeddedObject.overlay.open()
        try overlay.load()
        try fill(lxc, links)
        try fill(overlay, links)
        let attachments: [(TestedProgram, Int32, TrafficControl.Direction)] = [
            (.fromContainer, links.pod, .ingress), (.toContainer, links.pod, .egress),
            (.fromOverlay, links.overlay, .ingress), (.toOverlay, links.overlay, .egress),
        ]
        var problems: [String] = []
        for (tested, link, direction) in attachments {
            let program = try tested.object == .lxc ? lxc.program(tested.rawValue) : overlay.program(tested.rawValue)
            problems += try attach(program, UInt32(link), direction)
        }
        let podSocket = try PacketSocket(interface: links.podPeer)
        let wireSocket = try PacketSocket(interface: links.wire)
        problems += try send(from: podSocket, to: wireSocket)
        problems += try receive(from: wireSocket, to: podSocket)
        problems += try expire(from: wireSocket, answeredAt: try PacketSocket(interface: links.hostPeer))
        let interface = UInt32(links.pod)
        if try !TrafficControl.detach(interface: interface, .ingress)
            || TrafficControl.attachedProgram(interface: interface, .ingress) != nil
        {
            problems.append("the filter is still there after detaching")
        }
        return problems
    }

    private static func makeLinks() throws -> Links {
        let netlink = try NetlinkSocket()
        try netlink.createVeth("pod", mac: TestNode.podHostMAC, peer: "podpeer", peerMAC: TestNode.podMAC)
        try netlink.createVeth("eth0", mac: TestNode.hostMAC, peer: "wire", peerMAC: TestNode.foreignMAC)
        try netlink.createVeth("host", mac: hostDeviceMAC, peer: "hostpeer", peerMAC: TestNode.neighbourMAC)
        try netlink.createExternalVXLAN("overlay", port: 8472)
        for name in ["pod", "podpeer", "eth0", "wire", "host", "hostpeer", "overlay"] { try netlink.setUp(name) }
        let node = try netlink.link(named: "eth0").index
        guard let address = IPv4CIDR(TestNode.node, prefixLength: 24) else {
            throw SelftestFailure(description: "no address")
        }
        try netlink.addAddress(address, linkIndex: node)
        try netlink.setPermanentNeighbour(TestNode.otherNode, mac: TestNode.foreignMAC, linkIndex: node)
        let host = try netlink.link(named: "host").index
        try routePods(through: host, netlink)
        return Links(
            pod: try netlink.link(named: "pod").index, podPeer: try netlink.link(named: "podpeer").index, node: node,
            wire: try netlink.link(named: "wire").index, overlay: try netlink.link(named: "overlay").index, host: host,
            hostPeer: try netlink.link(named: "hostpeer").index)
    }

    /// As on a node: the router address and the cluster's pods are the host device's.
    private static func routePods(through host: Int32, _ netlink: borrowing NetlinkSocket) throws {
        guard let pods = IPv4CIDR(TestNode.router, prefixLength: 16) else {
            throw SelftestFailure(description: "no range of pods")
        }
        try Sysctl.set("net/ipv4/ip_forward", "1")
        for name in ["all", "host"] { try Sysctl.set("net/ipv4/conf/\(name)/rp_filter", "0") }
        try netlink.addAddress(IPv4CIDR(host: TestNode.router), linkIndex: host)
        try netlink.replaceRoute(Route(to: pods.network, linkIndex: host, source: TestNode.router))
        try netlink.setPermanentNeighbour(TestNode.remotePod, mac: TestNode.neighbourMAC, linkIndex: host)
    }

    private static func fill(_ object: borrowing Object, _ links: Links) throws {
        guard var node = TestNode.config(.complete) else { throw SelftestFailure(description: "no configuration") }
        node.overlayInterface = UInt32(links.overlay)
        node.nodeInterface = UInt32(links.node)
        node.hostInterface = UInt32(links.host)
        node.hostMAC = hostDeviceMAC
        let config: Map<UInt32, ConfigEntry> = try object.map(MapName.config)
        try config.update(ConfigEntry(node), for: 0)
        let interfaces: Map<UInt32, InterfaceEntry> = try object.map(MapName.interfaces)
        try interfaces.update(
            InterfaceEntry(
                endpointID: TestNode.podID, identity: TestNode.podIdentity, ipv4: TestNode.pod, podMAC: TestNode.podMAC,
                hostMAC: TestNode.podHostMAC), for: UInt32(links.pod))
        let endpoints: Map<EndpointKey, EndpointEntry> = try object.map(MapName.endpoints)
        try endpoints.update(
            EndpointEntry(
                id: TestNode.podID, identity: TestNode.podIdentity, interface: UInt32(links.pod),
                podMAC: TestNode.podMAC, hostMAC: TestNode.podHostMAC), for: EndpointKey(TestNode.pod))
        let ipcache: Map<IPCacheKey, IPCacheValue> = try object.map(MapName.ipcache)
        try ipcache.update(
            IPCacheValue(identity: TestNode.remoteIdentity, tunnelEndpoint: TestNode.otherNode),
            for: IPCacheKey(IPv4CIDR(host: TestNode.remotePod)))
    }

    /// Twice, as a restarted agent does: the second time replaces the first.
    private static func attach(
        _ program: borrowing Program, _ interface: UInt32, _ direction: TrafficControl.Direction
    ) throws -> [String] {
        try TrafficControl.attach(program, to: interface, direction)
        try TrafficControl.attach(program, to: interface, direction)
        let attached = try TrafficControl.attachedProgram(interface: interface, direction)
        return attached == program.identifier ? [] : ["\(program.name) is not what is attached"]
    }

    /// From the pod to a pod of another node: the frame on the wire.
    private static func send(
        from pod: borrowing PacketSocket, to wire: borrowing PacketSocket
    ) throws -> [String] {
        func frame(ttl: UInt8) -> [UInt8] {
            let packet = Frame.ipv4Packet(
                from: TestNode.pod, to: TestNode.remotePod, protocol: 17, ttl: ttl, payload)
            return Frame.ethernet(to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4, packet)
        }
        try pod.send(frame(ttl: 64))
        guard let seen = try wire.receive(within: patience, where: { isVXLAN($0, from: TestNode.node) }) else {
            return ["no VXLAN packet left the node within \(patience) ms"]
        }
        var problems: [String] = []
        if Array(seen[30..<34]) != TestNode.otherNode.octets { problems.append("sent to another node") }
        let identifier = UInt32(seen[46]) << 16 | UInt32(seen[47]) << 8 | UInt32(seen[48])
        if identifier != TestNode.podIdentity.rawValue { problems.append("VNI \(identifier)") }
        if Array(seen.dropFirst(vxlanHeaders)) != frame(ttl: 63) { problems.append("the packet inside is another") }
        return problems
    }

    /// From a pod of another node: the frame that the pod receives.
    private static func receive(
        from wire: borrowing PacketSocket, to pod: borrowing PacketSocket
    ) throws -> [String] {
        try wire.send(encapsulated(packet(ttl: 63)))
        let expected = Frame.ethernet(
            to: TestNode.podMAC, from: TestNode.podHostMAC, type: Frame.ipv4, packet(ttl: 62))
        let seen = try pod.receive(within: patience) { $0 == expected }
        return seen == nil ? ["the pod did not receive the packet out of the overlay within \(patience) ms"] : []
    }

    /// The same with no hop left: the router's ICMP time exceeded (RFC 792, type 11) on its way back.
    private static func expire(
        from wire: borrowing PacketSocket, answeredAt host: borrowing PacketSocket
    ) throws -> [String] {
        try wire.send(encapsulated(packet(ttl: 1)))
        let seen = try host.receive(within: patience) { frame in
            frame.count >= 42 && frame[23] == 1 && Array(frame[26..<30]) == TestNode.router.octets
                && Array(frame[30..<34]) == TestNode.remotePod.octets && frame[34] == 11
        }
        return seen == nil ? ["no ICMP error for a packet that expired behind the tunnel within \(patience) ms"] : []
    }

    private static func packet(ttl: UInt8) -> [UInt8] {
        Frame.ipv4Packet(from: TestNode.remotePod, to: TestNode.pod, protocol: 17, ttl: ttl, payload)
    }

    /// As the other node sends it.
    private static func encapsulated(_ packet: [UInt8]) -> [UInt8] {
        let inner = Frame.ethernet(
            to: TestNode.neighbourMAC, from: TestNode.neighbourHostMAC, type: Frame.ipv4, packet)
        let datagram = Frame.udp(50_000, 8472, Frame.vxlan(identifier: TestNode.remoteIdentity.rawValue, inner))
        let outer = Frame.ipv4Packet(from: TestNode.otherNode, to: TestNode.node, protocol: 17, datagram)
        return Frame.ethernet(to: TestNode.hostMAC, from: TestNode.foreignMAC, type: Frame.ipv4, outer)
    }

    private static func isVXLAN(_ frame: [UInt8], from source: IPv4Address) -> Bool {
        frame.count > vxlanHeaders && frame[23] == 17 && Array(frame[26..<30]) == source.octets
            && UInt16(frame[36]) << 8 | UInt16(frame[37]) == 8472
    }
}
