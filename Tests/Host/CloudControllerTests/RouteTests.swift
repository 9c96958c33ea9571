import CloudAPI
import JSON
import NetAddress
import Testing

@testable import CloudController

/// Which routes of the VPC pods' ranges get.
@Suite struct RouteTests {
    private let cluster = IPv4CIDR("192.168.0.0/16").map { [$0] } ?? []

    private func node(_ name: String, _ ranges: [String]) -> KubeNode {
        var node = CloudControllerTests.node(name, providerID: "aws:///lab-1a/i-\(name)")
        node.podCIDRs = ranges
        return node
    }

    private func affairs(
        _ nodes: [KubeNode], ranges: [String: [String]] = [:], machines: [CloudMachine]? = nil,
        present: [CloudRoute] = []
    ) -> RouteAffairs {
        RouteAffairs(
            nodes: nodes, ranges: ranges, machines: machines ?? nodes.map { machine($0.name.name) }, present: present,
            cluster: cluster)
    }

    private func route(_ destination: String, _ node: String) -> CloudRoute {
        CloudRoute(destination: destination, instanceID: "i-\(node)", state: .active)
    }

    @Test func `a range gets a route to its node's machine, once`() {
        let nodes = [node("node1", ["192.168.1.0/24"]), node("node2", ["192.168.2.0/24"])]
        let new = affairs(nodes, present: [route("192.168.1.0/24", "node1")])
        #expect(new.creations.map(\.route) == [CloudRoute(destination: "192.168.2.0/24", instanceID: "i-node2")])
        #expect(new.deletions.isEmpty && new.events.isEmpty)
        #expect(new.routed.map(\.name) == ["node1"])
        let done = affairs(nodes, present: [route("192.168.1.0/24", "node1"), route("192.168.2.0/24", "node2")])
        #expect(done.creations.isEmpty && done.deletions.isEmpty)
        #expect(done.routed.map(\.name) == ["node1", "node2"])
    }

    @Test func `the range that an agent uses goes before that of the Node`() {
        let new = affairs([node("node1", ["192.168.1.0/24"])], ranges: ["node1": ["192.168.7.0/24"]])
        #expect(new.creations.map(\.route.destination) == ["192.168.7.0/24"])
    }

    @Test func `a route that leads to another machine is replaced`() {
        let new = affairs([node("node1", ["192.168.1.0/24"])], present: [route("192.168.1.0/24", "old")])
        #expect(new.deletions.map(\.instanceID) == ["i-old"])
        #expect(new.creations.map(\.route.instanceID) == ["i-node1"])
        #expect(new.routed.isEmpty)
    }

    @Test func `routes of nodes that are gone go, and those of others stay`() {
        let foreign = route("172.31.9.0/24", "node9")
        let gone = affairs(
            [node("node1", ["192.168.1.0/24"])],
            present: [route("192.168.1.0/24", "node1"), route("192.168.2.0/24", "node2"), foreign])
        #expect(gone.deletions.map(\.destination) == ["192.168.2.0/24"])
        var terminating = node("node1", ["192.168.1.0/24"])
        terminating.isTerminating = true
        #expect(affairs([terminating], present: [route("192.168.1.0/24", "node1")]).deletions.count == 1)
    }

    @Test func `a stopped machine keeps its route, and one that has ended does not`() {
        let (one, kept) = (node("node1", ["192.168.1.0/24"]), route("192.168.1.0/24", "node1"))
        let stopped = affairs([one], machines: [machine("node1", .stopped)], present: [kept])
        #expect(stopped.deletions.isEmpty && stopped.creations.isEmpty)
        let ended = affairs([one], machines: [machine("node1", .terminated)], present: [kept])
        #expect(ended.deletions == [kept] && ended.creations.isEmpty)
        let foreign = affairs([one], machines: [])
        #expect(foreign.creations.isEmpty && foreign.events.isEmpty)
    }

    /// Two nodes with one range look like one node without a route. Whoever has the route keeps it.
    @Test(arguments: ["node1", "node2"]) func `of two nodes with one range one has the route`(_ owner: String) {
        let nodes = [node("node1", ["192.168.1.0/24"]), node("node2", ["192.168.1.0/25"])]
        let range = owner == "node1" ? "192.168.1.0/24" : "192.168.1.0/25"
        let both = affairs(nodes, present: [route(range, owner)])
        #expect(both.deletions.isEmpty && both.creations.isEmpty)
        #expect(both.routed.map(\.name) == [owner])
        #expect(both.refused.map(\.name) == [owner == "node1" ? "node2" : "node1"])
        #expect(both.events.first?.reason == "FailedToCreateRoute")
        #expect(both.events.first?.message.contains("node \(owner) has the range \(range)") == true)
    }

    @Test func `a range that is none of the cluster's is refused in words`() {
        let strange = affairs([node("node1", ["10.9.0.0/24", "192.168.1.0/24"])])
        #expect(strange.creations.map(\.route.destination) == ["192.168.1.0/24"])
        #expect(strange.refused.count == 1)
        #expect(
            strange.events.map(\.message) == [
                "Could not create route u-node1 10.9.0.0/24 for node node1: the range is not within the cluster's "
                    + "192.168.0.0/16"
            ])
    }

    @Test(arguments: [[], ["", "192.168.1.1/24", "fd00::/64", "192.168.0.0/99"]])
    func `a node without a range that can be read has no route`(_ ranges: [String]) {
        let none = affairs([node("node1", ranges)])
        #expect(none.creations.isEmpty && none.events.isEmpty && none.routed.isEmpty)
    }

    static let conditions: [(KubeNode.NetworkCondition?, Bool, String?)] = [
        (nil, true, "RouteCreated"), (nil, false, "NoRouteCreated"),
        (.init(isUnavailable: false, reason: "RouteCreated"), true, nil),
        (.init(isUnavailable: false, reason: "RouteCreated"), false, "NoRouteCreated"),
        (.init(isUnavailable: true, reason: "NoRouteCreated"), false, nil),
        (.init(isUnavailable: true, reason: "NoRouteCreated"), true, "RouteCreated"),
        // What an agent says stays.
        (.init(isUnavailable: false, reason: "CiliumIsUp"), true, nil),
        (.init(isUnavailable: false, reason: "CiliumIsUp"), false, nil),
        (.init(isUnavailable: true, reason: "CiliumIsDown"), true, "RouteCreated"),
    ]
    @Test(arguments: conditions) func `a node says whether it has its routes`(
        _ present: KubeNode.NetworkCondition?, _ isRouted: Bool, _ reason: String?
    ) {
        var node = node("node1", [])
        node.networkUnavailable = present
        let patch = RouteAffairs.condition(node, isRouted: isRouted, time: "2026-01-31T12:00:00Z")
        let condition = patch?["status"]?["conditions"]?.elements?.first
        #expect(condition?["reason"]?.text == reason)
        if reason != nil { #expect(condition?["status"]?.text == (isRouted ? "False" : "True")) }
    }

    @Test func `ranges and condition are read`() throws {
        let read = try KubeNode(
            try object(
                """
                {"metadata": {"name": "node1"}, "spec": {"podCIDR": "192.168.1.0/24"}, "status": {"conditions": [
                 {"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated"}]}}
                """))
        #expect(read.podCIDRs == ["192.168.1.0/24"])
        #expect(read.networkUnavailable == .init(isUnavailable: true, reason: "NoRouteCreated"))
        let ranges = try NodeRanges(
            try object(#"{"metadata": {"name": "node1"}, "spec": {"ipam": {"podCIDRs": ["192.168.1.0/24"]}}}"#))
        #expect(ranges.podCIDRs == ["192.168.1.0/24"])
        #expect(throws: UnreadableObject.self) {
            try NodeRanges(try object(#"{"metadata": {"name": "n"}, "spec": {"ipam": {"podCIDRs": [1]}}}"#))
        }
    }

    @Test func `settings are read as they are written`() throws {
        let settings = CloudControllerSettings(autoscaler: false, routedPods: ["192.168.0.0/16"])
        #expect(settings.text == #"{"autoscaler":false,"routedPods":["192.168.0.0/16"]}"#)
        #expect(CloudControllerSettings(autoscaler: true).text == #"{"autoscaler":true}"#)
    }
}
