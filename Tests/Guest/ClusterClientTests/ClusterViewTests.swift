import AgentAPI
import KubeObjects
import ServedObjects
import Testing

@testable import ClusterClient

@Suite struct ClusterViewTests {
    private static let other = Cluster.node(
        "node2", "10.0.0.12", range: "192.168.2.0/24", router: "192.168.2.1", health: "192.168.2.2")

    private func announcement(
        _ nodes: [CiliumNode], _ endpoints: [CiliumEndpoint] = [], labels: [UInt32: [String]] = [:]
    ) -> ClusterView.Announcement {
        var view = ClusterView()
        view.listNodes(nodes)
        view.listEndpoints(endpoints)
        return view.announcement(for: Cluster.own) { labels[$0] }
    }

    @Test func `nodes and endpoints as agents know them`() {
        let result = announcement(
            [Self.other],
            [
                Cluster.endpoint("a", "192.168.2.9", node: "10.0.0.12"),
                // This node knows its own better.
                Cluster.endpoint("own", "192.168.1.9", node: "10.0.0.11"),
            ])
        #expect(
            result.nodes == [
                NodeEntry(
                    name: "node2", address: "10.0.0.12", podCIDR: "192.168.2.0/24", routerAddress: "192.168.2.1",
                    healthAddress: "192.168.2.2")
            ])
        #expect(
            result.entries == [
                IPCacheEntry(
                    address: "192.168.2.9", prefix: 32, identity: 5000, tunnelEndpoint: "10.0.0.12",
                    labels: ["k8s:app=web"])
            ])
        #expect(result.problems.isEmpty)
    }

    @Test(arguments: [
        Cluster.node("node3", "10.0.0.13"),
        Cluster.node("node3", "no address", range: "192.168.3.0/24", router: "192.168.3.1", health: "192.168.3.2"),
        Cluster.node("node3", "10.0.0.13", range: "192.168.3.0/33", router: "192.168.3.1", health: "192.168.3.2"),
        Cluster.node("node3", "10.0.0.13", range: "0.0.0.0/0", router: "192.168.3.1", health: "192.168.3.2"),
        Cluster.node("node3", "10.0.0.13", range: "192.168.3.0/24", router: "x", health: "192.168.3.2"),
    ])
    func `a node that is not complete keeps no other from being known`(_ node: CiliumNode) {
        #expect(announcement([Self.other, node]).nodes.map(\.name) == ["node2"])
    }

    @Test func `two nodes with one range`() {
        let third = Cluster.node(
            "node3", "10.0.0.13", range: "192.168.2.128/25", router: "192.168.2.129", health: "192.168.2.130")
        let result = announcement([Self.other, third])
        #expect(result.nodes.map(\.name) == ["node2"])
        #expect(result.problems == ["node node3 says that it has 192.168.2.128/25, which node node2 has"])
        #expect(result.ownConflict == nil)
        let thief = Cluster.node(
            "node4", "10.0.0.14", range: "192.168.1.0/24", router: "192.168.1.1", health: "192.168.1.2")
        #expect(
            announcement([thief]).ownConflict == "node node4 says that it has 192.168.1.0/24, which this node has")
    }

    @Test func `a node with addresses of the cloud has no range`() {
        let node = Cluster.node("node2", "10.0.0.12", router: "10.0.1.5", health: "10.0.1.6")
        #expect(announcement([node]).nodes.map(\.podCIDR) == ["10.0.1.5/32"])
    }

    @Test func `the endpoint that was written last has an address`() {
        var (old, new) = (
            Cluster.endpoint("a", identity: 5000, "192.168.2.9", node: "10.0.0.12"),
            Cluster.endpoint("b", identity: 6000, "192.168.2.9", node: "10.0.0.12", labels: ["k8s:app=db"])
        )
        old.metadata.resourceVersion = "100"
        new.metadata.resourceVersion = "99"
        #expect(announcement([], [old, new]).entries.map(\.identity) == [5000])
    }

    @Test(arguments: [
        Cluster.endpoint("a", "10.0.0.12", node: "10.0.0.12"), Cluster.endpoint("a", "192.168.2.1", node: "10.0.0.12"),
        Cluster.endpoint("a", "192.168.1.1", node: "10.0.0.12"), Cluster.endpoint("a", "x", node: "10.0.0.12"),
        Cluster.endpoint("a", "192.168.2.9", node: "x"),
        Cluster.endpoint("a", identity: 1, "192.168.2.9", node: "10.0.0.12"),
        Cluster.endpoint("a", identity: .max, "192.168.2.9", node: "10.0.0.12"),
    ])
    func `an endpoint cannot have a node's address, a reserved identity, or no node`(_ endpoint: CiliumEndpoint) {
        #expect(announcement([Self.other], [endpoint]).entries.isEmpty)
    }

    @Test func `one number has one set of labels`() {
        let endpoints = [
            Cluster.endpoint("a", "192.168.2.9", node: "10.0.0.12", labels: ["k8s:app=old"]),
            Cluster.endpoint("b", "192.168.2.10", node: "10.0.0.12", labels: ["k8s:app=new"]),
        ]
        #expect(Set(announcement([], endpoints).entries.map(\.labels)).count == 1)
        let served = announcement([], endpoints, labels: [5000: ["k8s:app=new"]])
        #expect(served.entries.map(\.labels) == [["k8s:app=new"], ["k8s:app=new"]])
    }
}
