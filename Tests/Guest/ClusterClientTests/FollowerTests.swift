import Files
import Foundation
import Hashing
import JSON
import KubeClient
import KubeObjects
import ServedObjects
import Synchronization
import TestAPIServer
import Testing

@testable import ClusterClient

@Suite struct FollowerTests {
    private func server() throws -> TestAPIServer {
        let server = try TestAPIServer()
        server.serveSlices()
        return server
    }

    @Test func `everything is listed, then followed`() async throws {
        let server = try server()
        server.put(Cluster.path(ofPod: "a"), Cluster.pod("a"))
        server.put("\(Cluster.nodes)/node1", .object(["metadata": .object(["name": .string("node1")])]))
        let agent = TestAgent(try server.client())
        try await eventually("connected", seen: { "\(agent.follower.missing)" }) { agent.notices == ["connected"] }
        #expect(agent.follower.missing.isEmpty)
        #expect(agent.pods == ["a"])
        #expect(agent.follower.ownNode?["metadata"]?["name"]?.text == "node1")
        server.put(Cluster.path(ofPod: "b"), Cluster.pod("b"))
        server.remove(Cluster.path(ofPod: "a"))
        try await eventually("b in place of a") { agent.pods == ["b"] }
        let status = agent.follower.status
        #expect(status.isConnected && status.reason == nil)
        #expect(status.lists >= FollowedKind.allCases.count && status.events >= 2)
        #expect(agent.follower.take().isEmpty)
    }

    @Test func `many changes of one object are one`() async throws {
        let server = try server()
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        _ = agent.follower.take()
        for index in 0..<500 { server.put(Cluster.path(ofPod: "a"), Cluster.pod("a", labels: ["n": "\(index)"])) }
        try await eventually("500 events") { agent.follower.status.events >= 500 }
        let changes = agent.follower.take().pods.changes(from: [:])
        #expect(changes.items.map { $0.metadata.labels["n"] } == ["499"] && changes.removed.isEmpty)
    }

    @Test func `a server that goes away takes nothing with it, and what changed meanwhile converges`() async throws {
        let server = try server()
        for name in ["a", "b"] { server.put(Cluster.path(ofPod: name), Cluster.pod(name)) }
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        #expect(agent.pods == ["a", "b"])
        server.stop()
        try await eventually("lost") { agent.notices.last == "lost" }
        #expect(agent.follower.status.reason?.isEmpty == false)
        server.remove(Cluster.path(ofPod: "a"))
        server.put(Cluster.path(ofPod: "c"), Cluster.pod("c"))
        #expect(agent.pods == ["a", "b"])
        let lists = agent.follower.status.lists
        let begin = ContinuousClock.now
        // With another certificate of the same authority.
        try server.start()
        try await eventually("what changed") { agent.pods == ["b", "c"] }
        #expect(ContinuousClock.now - begin < .seconds(5))
        try await eventually("connected again") { agent.notices == ["connected", "lost", "connected"] }
        // Watches go on where they were: nothing is listed anew.
        #expect(agent.follower.status.lists == lists)
    }

    @Test func `a version that is gone is listed anew`() async throws {
        let server = try server()
        for name in ["a", "b"] { server.put(Cluster.path(ofPod: name), Cluster.pod(name)) }
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        #expect(agent.pods == ["a", "b"])
        server.stop()
        server.remove(Cluster.path(ofPod: "b"))
        server.put(Cluster.path(ofPod: "c"), Cluster.pod("c"))
        server.forgetChanges()
        try server.start()
        try await eventually("what is there now") { agent.pods == ["a", "c"] }
    }

    @Test func `bookmarks move a watch on`() async throws {
        let server = try server()
        server.put(Cluster.path(ofPod: "a"), Cluster.pod("a"))
        let agent = TestAgent(try server.client())
        try await eventually("watches") { FollowedKind.allCases.allSatisfy { isWatched($0, server) } }
        let lists = agent.follower.status.lists
        for index in 0..<10 { server.put(Cluster.path(ofPod: "a"), Cluster.pod("a", labels: ["n": "\(index)"])) }
        // From now on, no watch can go on from the version of its list.
        server.forgetChanges()
        server.bookmark()
        // An event after the bookmark shows that it was read.
        server.put("\(Cluster.nodes)/x", .object(["metadata": .object(["name": .string("x")])]))
        try await eventually("a node") { agent.objects.nodes.count == 1 }
        server.cut()
        try await eventually("connected again") { FollowedKind.allCases.allSatisfy { isWatched($0, server) } }
        #expect(agent.follower.status.lists == lists)
    }

    private func isWatched(_ kind: FollowedKind, _ server: TestAPIServer) -> Bool {
        kind.resources.contains { server.watches(of: $0.path(namespace: nil, name: nil)) == 1 }
    }

    @Test func `a token that is not believed any more is read again from its file`() async throws {
        let server = try server()
        let path = NSTemporaryDirectory() + "token-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try AtomicFile.write("first", to: path)
        server.believe(["first"])
        server.put(Cluster.path(ofPod: "a"), Cluster.pod("a"))
        let agent = TestAgent(try server.client(.tokenFile(path)))
        try await eventually("connected") { agent.notices == ["connected"] }
        server.believe(["second"])
        server.cut()
        try await eventually("refused") { agent.follower.status.reason?.contains("401") == true }
        #expect(agent.pods == ["a"])
        try AtomicFile.write("second", to: path)
        try await eventually("believed") { agent.follower.status.isConnected }
        server.put(Cluster.path(ofPod: "b"), Cluster.pod("b"))
        try await eventually("b") { agent.pods == ["a", "b"] }
    }

    @Test func `a definition that comes later`() async throws {
        let server = try server()
        let policies = "\(Cluster.cilium)/ciliumnetworkpolicies"
        server.serve(policies, false)
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        #expect(agent.follower.missing.isEmpty)
        server.serve(policies, true)
        server.put(
            "\(Cluster.cilium)/namespaces/default/ciliumnetworkpolicies/p",
            .object([
                "metadata": .object(["name": .string("p"), "namespace": .string("default")]),
                "spec": .object(["endpointSelector": .object([:])]),
            ]))
        try await eventually("the policy") { agent.objects.ciliumNetworkPolicies.count == 1 }
        #expect(agent.notices == ["connected"])
        // From now on it is a failure if nothing is heard of policies, and what was known of them stays.
        server.serve(policies, false)
        server.cut()
        let begun = "ciliumnetworkpolicies: "
        try await eventually("lost", seen: { "\(agent.follower.status)" }) {
            agent.follower.status.reason?.hasPrefix(begun) == true
        }
        #expect(agent.notices == ["connected", "lost"] && agent.objects.ciliumNetworkPolicies.count == 1)
        server.serve(policies, true)
        try await eventually("connected again") { agent.notices == ["connected", "lost", "connected"] }
    }

    @Test func `what cannot be read stays as it was known`() async throws {
        let server = try server()
        server.put(Cluster.path(ofPod: "a"), Cluster.pod("a", labels: ["v": "1"]))
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        let broken = JSONValue.object([
            "metadata": .object([
                "name": .string("a"), "namespace": .string("default"), "labels": .object(["v": .integer(2)]),
            ])
        ])
        #expect(agent.pods == ["a"])
        server.put(Cluster.path(ofPod: "a"), broken)
        try await eventually("a notice") { agent.notices.contains("unreadable pods a") }
        #expect(agent.objects.pods.values.map { $0.metadata.labels["v"] } == ["1"])
        // Also in a list, which is asked for again because of a change that the watch cannot go on from.
        server.stop()
        server.put(Cluster.path(ofPod: "b"), Cluster.pod("b", labels: ["v": "1"]))
        server.forgetChanges()
        try server.start()
        try await eventually("listed") { agent.notices.count { $0 == "unreadable pods a" } == 2 }
        #expect(agent.objects.pods.values.map { $0.metadata.labels["v"] } == ["1", "1"])
        server.remove(Cluster.path(ofPod: "a"))
        try await eventually("gone") { agent.pods == ["b"] }
        #expect(agent.follower.status.unreadable >= 2)
    }

    @Test func `what was not taken yet is known, too, when a list has it as unreadable`() {
        func pod(_ name: String, _ version: String) -> Pod {
            var pod = Pod(metadata: ObjectMeta(name: name, namespace: "default"))
            pod.metadata.labels["v"] = version
            return pod
        }
        let (a, b) = (pod("a", "2"), pod("b", "1"))
        var known = [a.key: pod("a", "1"), b.key: b]
        // The second version of `a` has come, then a list in which neither can be read.
        var pending = PendingChanges<Pod>()
        pending.set(a)
        pending.list([], unreadable: [a.key, b.key])
        // The same where the first of both could not be taken over and was put back.
        var later = PendingChanges<Pod>()
        later.list([], unreadable: [a.key, b.key])
        var first = PendingChanges<Pod>()
        first.set(a)
        first.append(later)
        for changes in [pending, first] {
            var objects = known
            changes.changes(from: objects).apply(to: &objects)
            #expect(objects == [a.key: a, b.key: b])
        }
        pending.remove(b.key)
        pending.changes(from: known).apply(to: &known)
        #expect(known == [a.key: a])
    }

    @Test func `nodes, endpoints and identities that cannot be read stay in a list as they were known`() async throws {
        let server = try server()
        let node = Cluster.node(
            "node2", "10.0.0.12", range: "192.168.2.0/24", router: "192.168.2.1", health: "192.168.2.2")
        let (nodePath, identityPath) = (
            "\(Cluster.cilium)/ciliumnodes/node2", "\(Cluster.cilium)/ciliumidentities/5000"
        )
        server.put(nodePath, node.json)
        server.put(Cluster.path(ofEndpoint: "a"), Cluster.endpoint("a", "192.168.2.9", node: "10.0.0.12").json)
        server.put(identityPath, CiliumIdentity(number: 5000, labels: ["k8s:app=web"]).json)
        let agent = TestAgent(try server.client())
        try await eventually("connected") { agent.notices == ["connected"] }
        try await eventually("everything") { agent.follower.announcement(for: Cluster.own)?.nodes.isEmpty == false }
        let before = try #require(agent.follower.announcement(for: Cluster.own))
        #expect(before.nodes.map(\.name) == ["node2"] && before.entries.map(\.address) == ["192.168.2.9"])
        server.stop()
        let many = JSONValue.array(Array(repeating: .object([:]), count: 1000))
        func head(_ name: String, in namespace: String? = nil) -> JSONValue {
            var members: [String: JSONValue] = ["name": .string(name)]
            if let namespace { members["namespace"] = .string(namespace) }
            return .object(members)
        }
        server.put(nodePath, .object(["metadata": head("node2"), "spec": .object(["addresses": many])]))
        server.put(
            Cluster.path(ofEndpoint: "a"),
            .object([
                "metadata": head("a", in: "default"),
                "status": .object([
                    "networking": .object([
                        "addressing": .array(Array(repeating: .object(["ipv4": .string("192.168.2.9")]), count: 1000))
                    ])
                ]),
            ]))
        server.put(
            identityPath,
            .object(["metadata": head("5000"), "security-labels": .object(["k8s:app": .integer(1)])]))
        server.forgetChanges()
        try server.start()
        for notice in [
            "unreadable ciliumnodes node2", "unreadable ciliumendpoints a", "unreadable ciliumidentities 5000",
        ] {
            try await eventually(notice, seen: { "\(agent.notices)" }) { agent.notices.contains(notice) }
        }
        #expect(agent.follower.announcement(for: Cluster.own) == before)
        #expect(agent.identities.served(5000)?.labels == ["k8s:app=web"])
        server.remove(nodePath)
        try await eventually("gone") { agent.follower.announcement(for: Cluster.own)?.nodes.isEmpty == true }
    }

    @Test func `the own node is no owner any more when it is gone`() async throws {
        let server = try server()
        let (own, other) = ("\(Cluster.nodes)/node1", "\(Cluster.nodes)/node2")
        func node(_ name: String) -> JSONValue { .object(["metadata": .object(["name": .string(name)])]) }
        server.put(own, node("node1"))
        server.put(other, node("node2"))
        let agent = TestAgent(try server.client())
        try await eventually("the node") { agent.follower.ownNode != nil }
        server.remove(other)
        server.put(other, node("node2"))
        server.remove(own)
        try await eventually("it is gone") { agent.follower.ownNode == nil }
        // It is another one.
        server.put(own, node("node1"))
        try await eventually("another one") {
            agent.follower.ownNode?["metadata"]?["uid"] == server.object(own)?["metadata"]?["uid"]
        }
        // Also where a list tells of it.
        server.stop()
        server.remove(own)
        server.forgetChanges()
        try server.start()
        try await eventually("it is gone") { agent.follower.ownNode == nil }
    }

    @Test func `sixteen agents come back without a storm`() async throws {
        let server = try server()
        for index in 0..<20 { server.put(Cluster.path(ofPod: "p\(index)"), Cluster.pod("p\(index)")) }
        let agents = try (1...16).map {
            TestAgent(try server.client(), name: "node\($0)", longestPause: .milliseconds(500))
        }
        try await eventually("all connected") { agents.allSatisfy { $0.notices == ["connected"] } }
        server.stop()
        try await eventually("all lost") { agents.allSatisfy { $0.notices.last == "lost" } }
        let before = server.requests.count
        let lists = agents.reduce(0) { $0 + $1.follower.status.lists }
        try server.start()
        try await eventually("all connected again") { agents.allSatisfy { $0.notices.last == "connected" } }
        let requests = server.requests.dropFirst(before)
        // One watch for each agent and kind, and no list.
        #expect(requests.count <= 16 * FollowedKind.allCases.count)
        #expect(requests.allSatisfy { $0.hasPrefix("WATCH ") })
        #expect(agents.reduce(0) { $0 + $1.follower.status.lists } == lists)
    }

    @Test func `10,000 mutated events`() async throws {
        let server = try server()
        server.put(Cluster.path(ofPod: "kept"), Cluster.pod("kept", labels: ["v": "1"]))
        let agent = TestAgent(try server.client(), longestPause: .milliseconds(5))
        try await eventually("connected") { agent.notices == ["connected"] }
        let seeds: [(collection: String, object: JSONValue)] = [
            (Cluster.pods, Cluster.pod("m", labels: ["app": "web"], address: "192.168.1.9")),
            ("\(Cluster.cilium)/ciliumnodes", Cluster.node("n", "10.0.0.12", range: "192.168.2.0/24").json),
            ("\(Cluster.cilium)/ciliumendpoints", Cluster.endpoint("m", "192.168.2.9", node: "10.0.0.12").json),
            ("\(Cluster.cilium)/ciliumidentities", CiliumIdentity(number: 5000, labels: ["k8s:app=web"]).json),
        ]
        var random = SplitMix64(seed: 11)
        let types = ["ADDED", "MODIFIED", "DELETED"]
        for index in 0..<10_000 {
            let seed = seeds[index % seeds.count]
            let event = JSONValue.object([
                "type": .string(types[Int(random.next() % 3)]), "object": Self.mutated(seed.object, &random),
            ])
            var line = JSONText.octets(of: event)
            // Text that is no JSON ends the watch, so that most events are of other shapes only.
            if index % 16 == 0 { Self.mutate(&line, &random) }
            try await eventually("a watch", within: .seconds(30)) { server.watches(of: seed.collection) > 0 }
            server.send(line.filter { $0 != 10 }, to: seed.collection)
            if index % 100 == 0 {
                _ = agent.objects
                _ = agent.follower.announcement(for: Cluster.own)
            }
        }
        // The follower is alive, and an object that no event named is whole.
        server.put(Cluster.path(ofPod: "last"), Cluster.pod("last"))
        try await eventually("the last pod", seen: { "\(agent.pods)" }) {
            agent.objects.pods[ObjectKey(namespace: "default", name: "last")] != nil
        }
        let kept = agent.objects.pods[ObjectKey(namespace: "default", name: "kept")]
        #expect(kept?.metadata.labels == ["v": "1"])
        let status = agent.follower.status
        #expect(status.events > 1000 && status.unreadable > 100, "\(status)")
    }

    /// Puts something else in the place of a member, or takes it away, in a tenth of all places.
    private static func mutated(_ value: JSONValue, _ random: inout SplitMix64) -> JSONValue {
        if random.next() % 10 == 0 {
            switch random.next() % 7 {
            case 0: return .null
            case 1: return .integer(Int64(bitPattern: random.next()))
            case 2: return .string("")
            case 3: return .string(String(repeating: "x", count: Int(random.next() % 5000)))
            case 4: return .array([])
            case 5: return .object([:])
            default: return .bool(true)
            }
        }
        switch value {
        case .object(let members):
            var result: [String: JSONValue] = [:]
            for (key, member) in members.sorted(by: { $0.key < $1.key }) where random.next() % 20 != 0 {
                result[key] = mutated(member, &random)
            }
            return .object(result)
        case .array(let elements): return .array(elements.map { mutated($0, &random) })
        default: return value
        }
    }

    private static func mutate(_ line: inout [UInt8], _ random: inout SplitMix64) {
        for _ in 0...Int(random.next() % 3) {
            let at = Int(random.next() % UInt64(line.count))
            switch random.next() % 3 {
            case 0: line[at] = UInt8(truncatingIfNeeded: random.next())
            case 1: line.remove(at: at)
            default: line.insert(line[Int(random.next() % UInt64(line.count))], at: at)
            }
        }
    }
}
