import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

/// A node of virtual devices in the network namespace that the calling thread is in, with the programs attached as an
/// agent does it and the maps filled as `TestNode` has it.
///
///     podpeer ─ pod [from_container, to_container] … overlay [from_overlay, to_overlay] … eth0 ─ wire
///                                                  … host [from_host] ─ hostpeer (the stack's way to pods)
struct WireNode: ~Copyable {
    static let hostDeviceMAC = TestNode.neighbourHostMAC

    /// The pod's end, for what the pod sends and receives.
    let podSocket: PacketSocket
    /// The network's end.
    let wireSocket: PacketSocket
    let podInterface: UInt32
    /// What is wrong with the attachments.
    let problems: [String]

    /// Attached programs stay loaded without their objects.
    ///
    /// - Parameters:
    ///   - tunnel: The tunnel, or nil for native routing.
    ///   - isDelivered: Whether programs that receive packets for the pod pass them to the pod's end of the veth, which
    ///     is then in a namespace of its own.
    static func make(_ tunnel: TunnelProtocol?, isDelivered: Bool = false) throws -> WireNode {
        let links = try Links(tunnel)
        var lxc = try EmbeddedObject.lxc.open()
        try lxc.load()
        var overlay = try EmbeddedObject.overlay.open()
        try share(lxc, with: &overlay)
        try overlay.load()
        var host = try EmbeddedObject.host.open()
        try share(lxc, with: &host)
        try host.load()
        try fill(lxc, links, tunnel, isDelivered)
        var problems = try attach(lxc.program("from_container"), links.pod, .ingress)
        problems += try attach(lxc.program("to_container"), links.pod, .egress)
        problems += try attach(host.program("from_host"), links.host, .egress)
        if let interface = links.overlay {
            problems += try attach(overlay.program("from_overlay"), interface, .ingress)
            problems += try attach(overlay.program("to_overlay"), interface, .egress)
        }
        let podSocket = try isDelivered ? seclude("podpeer") : PacketSocket(interface: links.podPeer)
        return WireNode(
            podSocket: podSocket, wireSocket: try PacketSocket(interface: links.wire),
            podInterface: UInt32(links.pod), problems: problems)
    }

    /// Moves an interface to a namespace that lives as long as the socket on it.
    private static func seclude(_ name: String) throws -> PacketSocket {
        let pod = try NetworkNamespace.create()
        try NetlinkSocket().changeLink(named: name, LinkChange(namespace: pod.rawDescriptor))
        return PacketSocket(
            owning: try pod.run {
                let netlink = try NetlinkSocket()
                try netlink.setUp(name)
                return try PacketSocket.open(interface: try netlink.link(named: name).index)
            })
    }

    private struct Links {
        let pod: Int32
        let podPeer: Int32
        let node: Int32
        let wire: Int32
        let overlay: Int32?
        let host: Int32

        init(_ tunnel: TunnelProtocol?) throws {
            let netlink = try NetlinkSocket()
            try netlink.createVeth("pod", mac: TestNode.podHostMAC, peer: "podpeer", peerMAC: TestNode.podMAC)
            try netlink.createVeth("eth0", mac: TestNode.hostMAC, peer: "wire", peerMAC: TestNode.foreignMAC)
            try netlink.createVeth("host", mac: hostDeviceMAC, peer: "hostpeer", peerMAC: TestNode.neighbourMAC)
            switch tunnel {
            case .vxlan: try netlink.createExternalVXLAN("overlay", port: TunnelProtocol.vxlan.standardPort)
            case .geneve: try netlink.createExternalGeneve("overlay", port: TunnelProtocol.geneve.standardPort)
            case nil: break
            }
            let names = ["pod", "podpeer", "eth0", "wire", "host", "hostpeer"] + (tunnel == nil ? [] : ["overlay"])
            for name in names { try netlink.setUp(name) }
            node = try netlink.link(named: "eth0").index
            guard let address = IPv4CIDR(TestNode.node, prefixLength: 24) else {
                throw SelftestFailure(description: "no address")
            }
            try netlink.addAddress(address, linkIndex: node)
            try netlink.setPermanentNeighbour(TestNode.otherNode, mac: TestNode.foreignMAC, linkIndex: node)
            host = try netlink.link(named: "host").index
            try Self.routePods(host: host, node: node, tunnel, netlink)
            pod = try netlink.link(named: "pod").index
            podPeer = try netlink.link(named: "podpeer").index
            wire = try netlink.link(named: "wire").index
            overlay = tunnel == nil ? nil : try netlink.link(named: "overlay").index
        }

        /// Makes the routes that a node has. The router address and the cluster's pods are behind the host device. With
        /// native routing only the node's own pods are, and the other node's pods have a route by that node's address.
        private static func routePods(
            host: Int32, node: Int32, _ tunnel: TunnelProtocol?, _ netlink: borrowing NetlinkSocket
        ) throws {
            guard let pods = IPv4CIDR(TestNode.router, prefixLength: tunnel == nil ? 24 : 16),
                let remote = IPv4CIDR(TestNode.remotePod, prefixLength: 24)
            else { throw SelftestFailure(description: "no range of pods") }
            try Sysctl.set("net/ipv4/ip_forward", "1")
            for name in ["all", "host", "pod", "eth0"] { try Sysctl.set("net/ipv4/conf/\(name)/rp_filter", "0") }
            try netlink.addAddress(IPv4CIDR(host: TestNode.router), linkIndex: host)
            try netlink.replaceRoute(
                Route(to: pods.network, linkIndex: host, source: TestNode.router, mtu: TestNode.narrowMTU))
            for pod in [TestNode.pod, TestNode.remotePod] {
                try netlink.setPermanentNeighbour(pod, mac: TestNode.neighbourMAC, linkIndex: host)
            }
            if tunnel == nil {
                try netlink.replaceRoute(
                    Route(to: remote, via: TestNode.otherNode, linkIndex: node, mtu: TestNode.narrowMTU))
            }
        }
    }

    /// Lets another object use the maps that all three share.
    static func share(_ object: borrowing Object, with other: inout Object) throws {
        let own = Set(other.mapNames)
        for name in object.mapNames where own.contains(name) && !name.contains(".") {
            try other.reuse(name, of: object)
        }
    }

    private static func fill(
        _ object: borrowing Object, _ links: Links, _ tunnel: TunnelProtocol?, _ isDelivered: Bool
    ) throws {
        guard var node = TestNode.config(tunnel == nil ? .native : .complete) else {
            throw SelftestFailure(description: "no configuration")
        }
        node.overlayInterface = UInt32(links.overlay ?? 0)
        node.nodeInterface = UInt32(links.node)
        node.hostInterface = UInt32(links.host)
        node.hostMAC = hostDeviceMAC
        node.tunnelPort = tunnel?.standardPort ?? 0
        node.routeMTU = TestNode.narrowMTU
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
                podMAC: TestNode.podMAC, hostMAC: TestNode.podHostMAC, isReachedAtPeer: isDelivered),
            for: EndpointKey(TestNode.pod))
        let ipcache: Map<IPCacheKey, IPCacheValue> = try object.map(MapName.ipcache)
        try ipcache.update(
            IPCacheValue(
                identity: TestNode.remoteIdentity, tunnelEndpoint: tunnel == nil ? nil : TestNode.otherNode),
            for: IPCacheKey(IPv4CIDR(host: TestNode.remotePod)))
    }

    /// Attaches the programs twice, as a restarted agent does. The second time replaces the first.
    private static func attach(
        _ program: borrowing Program, _ link: Int32, _ direction: TrafficControl.Direction
    ) throws -> [String] {
        let interface = UInt32(link)
        try TrafficControl.attach(program, to: interface, direction)
        try TrafficControl.attach(program, to: interface, direction)
        let attached = try TrafficControl.attachedProgram(interface: interface, direction)
        return attached == program.identifier ? [] : ["\(program.name) is not what is attached"]
    }
}
