import Foundation
import JSON
import KubeClient
import KubeObjects
import ServedObjects
import TestAPIServer
import Testing

@testable import ClusterClient

@Suite struct WriterTests {
    private func local(
        _ name: String, _ address: String = "192.168.1.9", identity: UInt32 = 5000, pod: String? = "uid-pod"
    ) -> LocalEndpoint {
        LocalEndpoint(
            key: ObjectKey(namespace: "default", name: name), id: 7, identity: identity, labels: ["k8s:app=web"],
            address: address, podUID: pod)
    }

    private func served(_ server: TestAPIServer) throws -> [ObjectKey: CiliumEndpoint] {
        var all: [ObjectKey: CiliumEndpoint] = [:]
        for path in server.paths(below: "\(Cluster.cilium)/namespaces/") {
            guard let object = server.object(path) else { continue }
            let endpoint = try CiliumEndpoint(object)
            all[endpoint.key] = endpoint
        }
        return all
    }

    // MARK: Endpoints

    @Test func `endpoints are created, changed and deleted with their pods`() async throws {
        let server = try TestAPIServer()
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        #expect(await writer.reconcile([local("a"), local("b", "192.168.1.10")], served: [:]).isEmpty)
        let first = try served(server)
        #expect(first.keys.map(\.name).sorted() == ["a", "b"])
        let a = try #require(first[ObjectKey(namespace: "default", name: "a")])
        #expect(a.addresses == ["192.168.1.9"] && a.node == "10.0.0.11" && a.state == "ready" && a.identity == 5000)
        #expect(a.metadata.owner == OwnerReference(kind: "Pod", name: "a", uid: "uid-pod"))
        let count = server.requests.count
        // The watch has not shown them yet; nothing is written twice.
        #expect(await writer.reconcile([local("a"), local("b", "192.168.1.10")], served: [:]).isEmpty)
        #expect(server.requests.count == count)
        #expect(await writer.reconcile([local("a", identity: 5001)], served: first).isEmpty)
        #expect(server.requests.dropFirst(count).map { $0.prefix(6) } == ["PATCH ", "DELETE"])
        #expect(try served(server).mapValues(\.identity) == [ObjectKey(namespace: "default", name: "a"): 5001])
    }

    @Test func `an endpoint that somebody deletes at once is created again`() async throws {
        let server = try TestAPIServer()
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        #expect(await writer.reconcile([local("a")], served: [:]).isEmpty)
        // The watch has shown neither its creation nor its end to the writer, and then it shows something later.
        server.remove(Cluster.path(ofEndpoint: "a"))
        server.put(Cluster.path(ofEndpoint: "other"), Cluster.endpoint("other", "192.168.2.5", node: "10.0.0.12").json)
        #expect(await writer.reconcile([local("a")], served: try served(server)).isEmpty)
        #expect(server.object(Cluster.path(ofEndpoint: "a")) != nil)
    }

    @Test func `a pod of the same name has an object of its own`() async throws {
        let server = try TestAPIServer()
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        server.put(
            Cluster.path(ofEndpoint: "a"),
            Cluster.endpoint("a", "192.168.3.3", node: "10.0.0.13", pod: "uid-before").json)
        // The watch has not shown the other node's object yet.
        #expect(await writer.reconcile([local("a")], served: [:]).isEmpty)
        let now = try #require(try served(server)[ObjectKey(namespace: "default", name: "a")])
        #expect(now.metadata.owner?.uid == "uid-pod" && now.node == "10.0.0.11")
    }

    @Test func `after a restart, stale endpoints of this node go and others stay`() async throws {
        let server = try TestAPIServer()
        server.put(Cluster.path(ofEndpoint: "stale"), Cluster.endpoint("stale", "192.168.1.5", node: "10.0.0.11").json)
        server.put(Cluster.path(ofEndpoint: "other"), Cluster.endpoint("other", "192.168.2.5", node: "10.0.0.12").json)
        server.put(
            Cluster.path(ofEndpoint: "unseen"), Cluster.endpoint("unseen", "192.168.1.6", node: "10.0.0.11").json)
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        // The pod of `unseen` is there, and its object was not seen yet.
        #expect(await writer.reconcile([local("unseen", pod: nil)], served: try served(server)).isEmpty)
        #expect(try served(server).keys.map(\.name).sorted() == ["other", "unseen"])
        #expect(server.requests == ["DELETE \(Cluster.path(ofEndpoint: "stale"))"])
    }

    @Test func `an endpoint that another one has replaced meanwhile is not deleted`() async throws {
        let server = try TestAPIServer()
        server.put(Cluster.path(ofEndpoint: "a"), Cluster.endpoint("a", "192.168.1.5", node: "10.0.0.11").json)
        let before = try served(server)
        server.remove(Cluster.path(ofEndpoint: "a"))
        server.put(Cluster.path(ofEndpoint: "a"), Cluster.endpoint("a", "192.168.2.5", node: "10.0.0.12").json)
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        #expect(await writer.reconcile([], served: before).isEmpty)
        #expect(try served(server).count == 1)
    }

    @Test func `a server that is away is asked once`() async throws {
        let server = try TestAPIServer()
        let writer = EndpointWriter(try server.client(), nodeAddress: "10.0.0.11")
        server.stop()
        let failures = await writer.reconcile((0..<50).map { local("p\($0)") }, served: [:])
        #expect(failures.count == 1)
        try server.start()
        #expect(await writer.reconcile((0..<50).map { local("p\($0)") }, served: [:]).isEmpty)
        #expect(try served(server).count == 50)
    }

    // MARK: Nodes

    private static let nodePath = "\(Cluster.cilium)/ciliumnodes/node1"
    private var statement: NodeStatement {
        NodeStatement(Cluster.node("node1", "10.0.0.11", router: "192.168.1.1", health: "192.168.1.2"))
    }

    @Test func `a node is created, and what the operator wrote stays`() async throws {
        let server = try TestAPIServer()
        let writer = NodeWriter(try server.client(), nodeName: "node1")
        server.put(
            Self.nodePath,
            Cluster.node("node1", "10.0.0.11", range: "192.168.1.0/24").json)
        try await writer.write(statement, owner: "uid-node")
        let node = try CiliumNode(try #require(server.object(Self.nodePath)))
        #expect(node.podCIDRs == ["192.168.1.0/24"] && node.routerIP == "192.168.1.1" && node.health == "192.168.1.2")
        #expect(node.metadata.owner?.uid == "uid-node")
        let count = server.requests.count
        try await writer.write(statement, owner: "uid-node")
        #expect(server.requests.dropFirst(count) == ["GET \(Self.nodePath)"])
    }

    @Test func `a node that was deleted is created again with the range that it uses`() async throws {
        let server = try TestAPIServer()
        let writer = NodeWriter(try server.client(), nodeName: "node1")
        var statement = statement
        statement.rangeInUse = "192.168.1.0/24"
        try await writer.write(statement, owner: nil)
        #expect(try CiliumNode(try #require(server.object(Self.nodePath))).podCIDRs == ["192.168.1.0/24"])
        // In one that is there, the operator has the say.
        server.put(Self.nodePath, Cluster.node("node1", "10.0.0.11", range: "192.168.7.0/24").json)
        try await writer.write(statement, owner: nil)
        #expect(try CiliumNode(try #require(server.object(Self.nodePath))).podCIDRs == ["192.168.7.0/24"])
    }

    @Test func `addresses that are not the node's any more leave its pool`() async throws {
        let server = try TestAPIServer()
        let writer = NodeWriter(try server.client(), nodeName: "node1")
        func pool(_ addresses: [String]) -> NodeStatement {
            var statement = statement
            let members = addresses.map { ($0, JSONValue.object(["resource": .string("eni-1")])) }
            statement.spec["ipam"] = .object(["pool": .object(Dictionary(members) { $1 })])
            statement.status["ipam"] = .object(["used": .object(Dictionary(members) { $1 })])
            return statement
        }
        try await writer.write(pool(["10.0.1.5", "10.0.1.6"]), owner: nil)
        try await writer.write(pool(["10.0.1.6", "10.0.1.7"]), owner: nil)
        let node = try #require(server.object(Self.nodePath))
        #expect(node["spec"]?["ipam"]?["pool"]?.members?.keys.sorted() == ["10.0.1.6", "10.0.1.7"])
        #expect(node["status"]?["ipam"]?["used"]?.members?.keys.sorted() == ["10.0.1.6", "10.0.1.7"])
    }

    @Test func `the taint goes, others stay, and the network is available`() async throws {
        let server = try TestAPIServer()
        let path = "\(Cluster.nodes)/node1"
        func taint(_ key: String) -> JSONValue { .object(["key": .string(key), "effect": .string("NoSchedule")]) }
        server.put(
            path,
            .object([
                "metadata": .object(["name": .string("node1")]),
                "spec": .object(["taints": .array([taint("a"), taint(NodeWriter.taint), taint("b")])]),
            ]))
        let writer = NodeWriter(try server.client(), nodeName: "node1")
        let node = try #require(server.object(path))
        #expect(NodeWriter.isUntold(node))
        try await writer.announceNetwork(node, time: "2026-11-29T23:00:00Z")
        let now = try #require(server.object(path))
        #expect(now["spec"]?["taints"]?.elements?.compactMap { $0["key"]?.text } == ["a", "b"])
        #expect(!NodeWriter.isUntold(now))
        let condition = now["status"]?["conditions"]?.elements?.first
        #expect(condition?["reason"]?.text == "CiliumIsUp")
    }

    // MARK: Ranges

    @Test func `the operator's range is waited for`() async throws {
        let server = try TestAPIServer()
        let request = RangeRequest(
            try server.client(), nodeName: "node1", nodeAddress: "10.0.0.11", source: .clusterPool)
        let task = Task { await request.wait() }
        try await eventually("the node's object", seen: { request.lastSeen }) { server.object(Self.nodePath) != nil }
        let failure = JSONValue.object([
            "metadata": .object(["name": .string("node1")]),
            "status": .object([
                "ipam": .object(["operator-status": .object(["error": .string("pool is empty")])])
            ]),
        ])
        server.put(Self.nodePath, failure)
        try await eventually("the operator's words", seen: { request.lastSeen }) {
            request.lastSeen.contains("the operator says: pool is empty")
        }
        server.put(Self.nodePath, Cluster.node("node1", "10.0.0.11", range: "ten").json)
        try await eventually("a text that is no range", seen: { request.lastSeen }) {
            request.lastSeen == #"spec.ipam.podCIDRs of CiliumNode node1 is no IPv4 range: "ten""#
        }
        server.put(Self.nodePath, Cluster.node("node1", "10.0.0.11", range: "192.168.3.0/24").json)
        #expect(await task.value == "192.168.3.0/24")
        #expect(try await request.ask(within: .seconds(5)) == "192.168.3.0/24")
    }

    @Test func `a node's object that goes before it has a range is made again`() async throws {
        let server = try TestAPIServer()
        let request = RangeRequest(
            try server.client(), nodeName: "node1", nodeAddress: "10.0.0.11", source: .clusterPool)
        let task = Task { await request.wait() }
        let collection = "\(Cluster.cilium)/ciliumnodes"
        try await eventually("a watch", seen: { request.lastSeen }) { server.watches(of: collection) == 1 }
        server.remove(Self.nodePath)
        try await eventually("it is there again", seen: { request.lastSeen }) { server.object(Self.nodePath) != nil }
        // Also where only a list tells of it.
        server.stop()
        server.remove(Self.nodePath)
        server.forgetChanges()
        try server.start()
        try await eventually("it is there again", seen: { request.lastSeen }) { server.object(Self.nodePath) != nil }
        server.put(Self.nodePath, Cluster.node("node1", "10.0.0.11", range: "192.168.3.0/24").json)
        #expect(await task.value == "192.168.3.0/24")
    }

    @Test func `the cluster's range is waited for, also while the server is away`() async throws {
        let server = try TestAPIServer()
        server.stop()
        let request = RangeRequest(try server.client(), nodeName: "node1", nodeAddress: "10.0.0.11", source: .node)
        let task = Task { await request.wait() }
        try await eventually("a failure", seen: { request.lastSeen }) { request.lastSeen.contains("unreachable") }
        try server.start()
        let path = "\(Cluster.nodes)/node1"
        server.put(path, .object(["metadata": .object(["name": .string("node1")])]))
        try await eventually("no range", seen: { request.lastSeen }) { request.lastSeen.contains("no spec.podCIDR") }
        server.put(
            path,
            .object([
                "metadata": .object(["name": .string("node1")]),
                "spec": .object(["podCIDR": .string("192.168.4.0/24")]),
            ]))
        #expect(await task.value == "192.168.4.0/24")
    }
}
