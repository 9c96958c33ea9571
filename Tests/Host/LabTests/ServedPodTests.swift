import Hashing
import JSON
import KubeObjects
import Observations
import ServedObjects
import Testing

@testable import Lab

/// What the matrix calls an API server's pods, and what is read of them.
@Suite struct ServedPodTests {
    private static func pod(
        _ name: String, _ controller: ServedPod.Controller? = nil, namespace: String = "default", node: String? = nil,
        hash: String? = nil, phase: String = "Running", isLeaving: Bool = false
    ) -> ServedPod {
        var metadata = ObjectMeta(name: name, namespace: namespace)
        if let hash { metadata.labels["pod-template-hash"] = hash }
        if isLeaving { metadata.deletionTimestamp = "2026-01-01T00:00:00Z" }
        return ServedPod(
            pod: Pod(metadata: metadata, spec: .init(nodeName: node), status: .init(phase: phase, podIP: "10.1.2.3")),
            controller: controller)
    }

    private static func web(_ suffix: String, phase: String = "Running", isLeaving: Bool = false) -> ServedPod {
        pod(
            "web-6d4b75cb6d-\(suffix)", .init(kind: "ReplicaSet", name: "web-6d4b75cb6d"), hash: "6d4b75cb6d",
            phase: phase, isLeaving: isLeaving)
    }

    private func names(_ names: PodNames) -> [String: String] {
        Dictionary(uniqueKeysWithValues: names.present.map { ($0.key.name, $0.value) })
    }

    @Test func `a pod keeps its number while it lives`() {
        var known = PodNames()
        known.update([Self.web("ccc"), Self.web("aaa"), Self.web("bbb")])
        #expect(
            names(known) == [
                "web-6d4b75cb6d-aaa": "web-1", "web-6d4b75cb6d-bbb": "web-2", "web-6d4b75cb6d-ccc": "web-3",
            ])
        // One leaves, and its replacement is there before it has gone.
        known.update([Self.web("ccc"), Self.web("aaa", isLeaving: true), Self.web("bbb"), Self.web("zzz")])
        #expect(
            names(known) == [
                "web-6d4b75cb6d-zzz": "web-1", "web-6d4b75cb6d-bbb": "web-2", "web-6d4b75cb6d-ccc": "web-3",
            ])
        known.update([Self.web("ccc")])
        known.update([Self.web("ccc"), Self.web("eee", phase: "Failed"), Self.web("ddd")])
        #expect(names(known) == ["web-6d4b75cb6d-ddd": "web-1", "web-6d4b75cb6d-ccc": "web-3"])
        #expect(known.ever[ObjectKey(namespace: "default", name: "web-6d4b75cb6d-aaa")] == "web-1")
        #expect(known.pod(named: "web-3", in: "default")?.name == "web-6d4b75cb6d-ccc")
        #expect(known.pod(named: "web-3", in: "shop") == nil)
    }

    @Test(arguments: [
        (pod("a"), "a"), (pod("db-0", .init(kind: "StatefulSet", name: "db")), "db-0"),
        (pod("log-x7x", .init(kind: "DaemonSet", name: "log"), node: "node2"), "log-node2"),
        (pod("log-x7x", .init(kind: "DaemonSet", name: "log")), "log-x7x"),
        (pod("rs-abc", .init(kind: "ReplicaSet", name: "rs")), "rs-1"),
        (pod("once-abc", .init(kind: "Job", name: "once")), "once-1"),
        (pod("etcd-node1", .init(kind: "Node", name: "node1"), node: "node1"), "etcd-node1"),
        (pod("made", .init(kind: "Database", name: "db")), "made"),
    ])
    func `each kind has its names`(_ pod: ServedPod, _ name: String) {
        var known = PodNames()
        known.update([pod])
        #expect(known.present.values.map { $0 } == [name])
    }

    @Test func `two pods never share a name`() {
        var known = PodNames()
        known.update([Self.web("aaa"), Self.pod("web-1")])
        #expect(Set(known.present.values).count == 2 && known.present.count == 2)
        known.update([Self.web("aaa"), Self.pod("web-1", namespace: "shop")])
        #expect(known.present.values.map { $0 } == ["web-1", "web-1"])
    }

    @Test func `however pods come and go, names are unique and stay`() {
        var random = SplitMix64(seed: 7)
        var known = PodNames()
        var alive: [String: ServedPod] = [:]
        for round in 0..<2000 {
            let before = known.present
            if random.next() % 2 == 0 {
                let pod = Self.web("\(round)")
                alive[pod.key.name] = pod
            } else if let gone = alive.keys.sorted().randomElement(using: &random) {
                alive[gone] = nil
            }
            known.update(alive.values)
            #expect(Set(known.present.values).count == alive.count)
            for (key, name) in known.present where before[key] != nil { #expect(before[key] == name) }
        }
    }

    @Test func `a pod's words are read`() throws {
        func reason(_ status: String) throws -> String? {
            let text = #"{"metadata":{"name":"a","namespace":"b"},"spec":{},"status":\#(status)}"#
            return try ServedPod(Array(text.utf8)).reason
        }
        #expect(
            try reason(
                """
                {"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable",
                "message":"0/2 nodes are available"}]}
                """) == "Unschedulable: 0/2 nodes are available")
        #expect(
            try reason(
                """
                {"phase":"Pending","containerStatuses":[{"name":"x","ready":false,"restartCount":0,"image":"","imageID":"",
                "state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}}}]}
                """) == "CrashLoopBackOff: back-off 10s")
        #expect(
            try reason(#"{"phase":"Failed","reason":"Evicted","message":"low on memory"}"#) == "Evicted: low on memory")
        #expect(try reason(#"{"phase":"Running"}"#) == nil)
    }

    @Test func `owner and address are read`() throws {
        let text = """
            {"metadata":{"name":"web-1-x","namespace":"b","ownerReferences":[{"kind":"A","name":"a"},
            {"kind":"ReplicaSet","name":"web-1","controller":true}],"labels":{"pod-template-hash":"1"}},
            "spec":{"nodeName":"node1","containers":[{"name":"c","image":"echo","ports":[{"containerPort":9000}]}]},
            "status":{"phase":"Running","podIP":"10.0.0.9"}}
            """
        let pod = try ServedPod(Array(text.utf8))
        #expect(pod.controller == .init(kind: "ReplicaSet", name: "web-1") && pod.isRunning)
        #expect(pod.workload == .init(kind: "Deployment", name: "web"))
        #expect(pod.pod.spec.containers[0].ports[0].containerPort == 9000)
        #expect(throws: (any Error).self) { try ServedPod(Array("{}".utf8)) }
    }

    @Test func `a slice of an older server has its nodes`() throws {
        let text = """
            {"metadata":{"name":"a","namespace":"b"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],
            "topology":{"kubernetes.io/hostname":"node2"},"conditions":{"ready":true}},{"addresses":["10.0.0.2"],
            "nodeName":"node1"}],"ports":[{"name":"http","port":80,"protocol":"TCP"}]}
            """
        #expect(try ServedJSON.slice(Array(text.utf8)).endpoints.map(\.nodeName) == ["node2", "node1"])
    }

    @Test func `whatever pod there is, nothing traps`() {
        let seed = Array(
            """
            {"metadata":{"name":"web-1-x","namespace":"b","ownerReferences":[{"kind":"ReplicaSet","name":"web-1",
            "controller":true}],"labels":{"pod-template-hash":"1"}},"spec":{"nodeName":"node1","containers":[{"name":"c",
            "ports":[{"containerPort":9000}]}]},"status":{"phase":"Running","podIP":"10.0.0.9","conditions":[
            {"type":"Ready","status":"True"}],"containerStatuses":[{"state":{"waiting":{"reason":"a","message":"b"}}}]}}
            """.utf8)
        var random = SplitMix64(seed: 3)
        var read = 0
        var known = PodNames()
        for _ in 0..<10_000 {
            var octets = seed
            for _ in 0...Int(random.next() % 3 == 0 ? random.next() % 3 : 0) {
                octets[Int(random.next() % UInt64(octets.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let pod = try? ServedPod(octets) else { continue }
            read += 1
            known.update([pod])
            _ = try? ServedJSON.slice(octets)
        }
        #expect(read > 1000)
    }

    @Test(arguments: [
        (#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}]}}"#, nil),
        (
            #"{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"no cni"}]}}"#,
            "KubeletNotReady: no cni"
        ),
        (#"{"status":{"conditions":[{"type":"MemoryPressure","status":"True"}]}}"#, "it says nothing of itself"),
        ("{}", "it says nothing of itself"),
    ])
    func `a node is ready when its kubelet says so`(_ node: String, _ words: String?) throws {
        #expect(ServerStore.unready(try JSONText.value(of: Array(node.utf8))) == words)
    }

    // MARK: Workloads and events

    @Test(arguments: [
        (
            "Deployment",
            #"{"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":2,"readyReplicas":2,"updatedReplicas":2}}"#,
            true
        ),
        (
            "Deployment",
            #"{"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":3,"readyReplicas":2,"updatedReplicas":1}}"#,
            false
        ),
        // Its pods are those of the template before.
        (
            "Deployment", #"{"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":2,"readyReplicas":2}}"#,
            false
        ),
        (
            "Deployment",
            #"{"spec":{"replicas":2,"paused":true},"status":{"observedGeneration":1,"replicas":2,"readyReplicas":2}}"#,
            true
        ),
        ("Deployment", #"{"spec":{"replicas":2},"status":{"replicas":2,"readyReplicas":2}}"#, false),
        ("Deployment", #"{"spec":{},"status":{"observedGeneration":1}}"#, false),
        ("Deployment", #"{"spec":{"replicas":0},"status":{"observedGeneration":1}}"#, true),
        (
            "ReplicaSet", #"{"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":2,"readyReplicas":2}}"#,
            true
        ),
        (
            "DaemonSet",
            #"{"status":{"observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":1}}"#,
            false
        ),
        (
            "DaemonSet",
            """
            {"status":{"observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":2,
            "updatedNumberScheduled":2}}
            """,
            true
        ),
        (
            "DaemonSet",
            """
            {"status":{"observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":2,
            "updatedNumberScheduled":1}}
            """,
            false
        ),
        (
            "DaemonSet",
            """
            {"spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"observedGeneration":1,
            "desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":2}}
            """,
            true
        ),
        (
            "StatefulSet", #"{"spec":{"replicas":1},"status":{"observedGeneration":1,"replicas":1,"readyReplicas":1}}"#,
            false
        ),
        (
            "StatefulSet",
            """
            {"spec":{"replicas":2,"updateStrategy":{"rollingUpdate":{"partition":1}}},
            "status":{"observedGeneration":1,"replicas":2,"readyReplicas":2,"updatedReplicas":1}}
            """,
            true
        ),
    ])
    func `a workload is settled when its pods are ready`(_ kind: String, _ text: String, _ isSettled: Bool) throws {
        var object = try JSONText.value(of: Array(text.utf8))
        guard case .object(var members) = object else { return }
        members["metadata"] = .object(["name": .string("a"), "namespace": .string("b"), "generation": .integer(1)])
        object = .object(members)
        #expect((ServerStore.unsettled(kind, object) == nil) == isSettled)
    }

    @Test func `whoever waits for pods does not wait for an image that is not to be had`() {
        #expect(ServerStore.lacksImage("ImagePullBackOff: Back-off pulling image \"a\""))
        #expect(ServerStore.lacksImage("ErrImagePull: rpc error"))
        #expect(!ServerStore.lacksImage("ContainerCreating"))
        #expect(!ServerStore.lacksImage("CrashLoopBackOff: back-off 10s restarting failed container=ErrImagePull"))
    }

    /// The next pod of a stateful set has the name of the one before.
    @Test func `what was deleted is gone when another one has its name`() throws {
        func object(_ text: String) throws -> JSONValue { try JSONText.value(of: Array(text.utf8)) }
        let pod = try object(#"{"kind":"Pod","metadata":{"name":"db-0","uid":"1"}}"#)
        let next = try object(#"{"kind":"Pod","metadata":{"name":"db-0","uid":"2"}}"#)
        let status = try object(#"{"kind":"Status","metadata":{},"status":"Success","details":{"name":"a","uid":"1"}}"#)
        #expect(ServerStore.uid(ofDeleted: pod) == "1" && ServerStore.uid(ofDeleted: status) == "1")
        #expect(ServerStore.uid(ofDeleted: nil) == nil)
        #expect(ServerStore.isGone(.absent, uid: "1") && ServerStore.isGone(.absent, uid: nil))
        #expect(ServerStore.isGone(.found(next), uid: "1"))
        // Without a uid, the name has to do.
        #expect(!ServerStore.isGone(.found(pod), uid: "1") && !ServerStore.isGone(.found(next), uid: nil))
        #expect(!ServerStore.isGone(.unread("the server is away"), uid: "1"))
    }

    @Test(arguments: [
        (#"{"metadata":{"uid":"1"},"count":4,"reason":"A","type":"Warning","involvedObject":{"kind":"Pod"}}"#, 4),
        (#"{"metadata":{"uid":"1"},"series":{"count":7},"reason":"A"}"#, 7), (#"{"metadata":{"uid":"1"}}"#, 1),
        (#"{"metadata":{"uid":"1"},"count":0}"#, 1), (#"{"metadata":{}}"#, nil), ("[]", nil),
    ])
    func `an event has its count`(_ text: String, _ count: Int?) throws {
        #expect(ServerStore.event(try JSONText.value(of: Array(text.utf8)))?.count == count)
    }
}
