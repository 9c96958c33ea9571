import AgentAPI
import Datapath
import LinuxKernel
import NetAddress
import Netlink
import PacketChecks

/// Compares a pod of one node and a pod of another, each node with an agent, over VXLAN, with two nodes that have the
/// kernel's own VXLAN device and a bridge. Neither masquerades, so netfilter has nothing to do.
enum CrossNode {
    static func rows(_ iperf: Iperf) throws -> [BenchRow] {
        try Throughput.require(.vxlan)
        let first = try TestNamespaces.namespace("node")
        let second = try TestNamespaces.namespace("peer")
        try TestNamespaces.wire(
            first, TestAgent.Place.node.address, second, TestAgent.Place.peer.address)
        let node = try TestAgent(.node, in: first, masquerade: .none, hasOverlay: true)
        let peer = try TestAgent(.peer, in: second, masquerade: .none, hasOverlay: true)
        defer {
            node.kill()
            peer.kill()
        }
        for agent in [node, peer] { _ = try agent.start() }
        let client = try node.connectPod("client")
        let server = try peer.connectPod("server")
        let nodes = try [node, peer].map { agent -> NodeEntry in
            let status: AgentStatus = try agent.call(.status, NoParameters?.none)
            return status.node
        }
        let entries = [(client, TestAgent.Place.node), (server, .peer)].map { pod, place in
            IPCacheEntry(
                address: pod.address.description, prefix: 32, identity: pod.identity,
                tunnelEndpoint: place.address.description)
        }
        for (agent, remote) in [(node, entries[1]), (peer, entries[0])] {
            let _: Acknowledgement = try agent.call(.setNodes, NodeSet(nodes: nodes))
            let _: Acknowledgement = try agent.call(.setIPCache, IPCacheSet(entries: [remote]))
            let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: []))
        }
        let path = ThroughputPath(client: client.path, server: server.path, address: server.address)
        return try Throughput.compare(
            "cross node", path, "VXLAN and bridge", try floor(),
            atLeast: Throughput.Bounds(stream: 1, datagrams: 1), "without traces", iperf)
    }

    /// The overhead of VXLAN over IPv4 in octets: outer IP, UDP, VXLAN and inner Ethernet headers.
    private static let overhead = 50

    /// Two nodes, each a bridge with a VXLAN device.
    private static func floor() throws -> ThroughputPath {
        let nodes = try ["vxlan-a", "vxlan-b"].map { try TestNamespaces.namespace($0) }
        let pods = try ["vxlan-pod-a", "vxlan-pod-b"].map { try TestNamespaces.namespace($0) }
        let underlay = [IPv4Address(172, 19, 0, 1), IPv4Address(172, 19, 0, 2)]
        let addresses = [IPv4Address(172, 20, 0, 1), IPv4Address(172, 20, 0, 2)]
        try TestNamespaces.wire(nodes[0], underlay[0], nodes[1], underlay[1])
        for index in 0...1 {
            try NetworkNamespace(path: nodes[index]).run {
                let netlink = try NetlinkSocket()
                let mtu = try netlink.link(named: "eth0").mtu - overhead
                try netlink.createVXLAN(
                    "vxlan0", identifier: 42, port: 4789, local: underlay[index], remote: underlay[1 - index], mtu: mtu)
                try netlink.createBridge("br0", mtu: mtu)
                try netlink.setUp("br0")
                try TestNamespaces.connect("pod", to: pods[index], addresses[index], mtu: mtu, netlink)
                let bridge = try netlink.link(named: "br0").index
                for name in ["vxlan0", "pod"] {
                    try netlink.changeLink(named: name, LinkChange(isUp: true, master: bridge))
                }
            }
        }
        return ThroughputPath(client: pods[0], server: pods[1], address: addresses[1])
    }
}
