import JSON
import Testing

@testable import Kubelet

/// What a node does that is short of memory, in the words and the order of kubelet 1.20's `pkg/kubelet/eviction`.
@Suite struct EvictionTests {
    private static let mebibyte: Int64 = 1 << 20

    private func pod(_ name: String, _ fields: String = "", requests: [String: String] = [:]) throws -> KubePod {
        let containers = requests.isEmpty ? [name: "0"] : requests
        let list = containers.sorted { $0.key < $1.key }.map { name, memory in
            #"{"name": "\#(name)", "image": "curl:8", "resources": {"requests": {"memory": "\#(memory)"}}}"#
        }
        return try KubeletTests.pod(#"{\#(fields) "containers": [\#(list.joined(separator: ","))]}"#, name: name)
    }

    /// What is left of memory, and what containers of the pods take, in MiB.
    private func usage(_ left: Int64, _ pods: [String: [String: Int64]] = [:]) -> KubeletInput {
        var usage = NodeUsage(memoryAvailable: left * Self.mebibyte)
        for (name, containers) in pods {
            usage.podMemory["uid-" + name] = containers.values.reduce(0, +) * Self.mebibyte
            usage.containerMemory["uid-" + name] = containers.mapValues { $0 * Self.mebibyte }
        }
        return .usage(usage)
    }

    private func nodeEvents(_ bench: Bench) -> [String] {
        bench.events.filter { $0.object["involvedObject"]?["kind"]?.text == "Node" }
            .map { "\($0.type) \($0.reason): \($0.message)" }
    }

    private func memoryPressure(_ bench: Bench) -> String? {
        let patches = bench.log.compactMap { if case .patchNodeStatus(let patch) = $0 { patch } else { nil } }
        let condition = patches.last?["status"]?["conditions"]?.elements?.first
        return condition.map { condition in
            ["type", "status", "reason", "message"].compactMap { condition[$0]?.text }.joined(separator: " ")
        }
    }

    @Test func `a shortage of memory evicts the pod that takes more than it asked for`() throws {
        var bench = try Bench { $0.evictionMemory = 100 << 20 }
        bench.feed(
            .pod(try pod("modest", requests: ["modest": "64Mi"])),
            .pod(try pod("greedy", requests: ["big": "16Mi", "small": "32Mi", "wild": "0"])))
        let taken = ["modest": ["modest": Int64(60)], "greedy": ["big": 48, "small": 31, "wild": 1]]
        bench.feed(usage(100, taken))
        #expect(bench.running.count == 4)
        bench.feed(usage(99, taken))
        let message =
            "The node was low on resource: memory. Container big was using 48Mi, which exceeds its request of "
            + "16Mi. Container wild was using 1Mi, which exceeds its request of 0. "
        #expect(bench.told.contains("Warning Evicted: \(message)"))
        let event = try #require(bench.events.first { $0.reason == "Evicted" })
        #expect(
            event.object["metadata"]?["annotations"]
                == .object([
                    "offending_containers": .string("big,wild"), "offending_containers_usage": .string("48Mi,1Mi"),
                    "starved_resource": .string("memory"),
                ]))
        #expect(
            bench.running.count == 1
                && bench.log.contains { if case .stopContainer(_, .zero) = $0 { true } else { false } })
        // Its files go at once, and not again with its object.
        func releases() -> Int { bench.log.count { if case .forgetPod = $0 { true } else { false } } }
        #expect(releases() == 1)
        // Nothing else is said of it.
        let status = bench.status("greedy")
        #expect(status["phase"]?.text == "Failed" && status["reason"]?.text == "Evicted")
        #expect(status["message"]?.text == message)
        #expect(status["startTime"]?.text?.isEmpty == false)
        for key in ["containerStatuses", "initContainerStatuses", "hostIP", "podIP", "podIPs"] {
            #expect(status[key] == .null, "\(key)")
        }
        #expect(
            status["conditions"]?.elements?.map { "\($0["$patch"]?.text ?? "") \($0["type"]?.text ?? "")" } == [
                "delete Initialized", "delete Ready", "delete ContainersReady", "delete PodScheduled",
            ])
        #expect(
            nodeEvents(bench).suffix(2) == [
                "Warning EvictionThresholdMet: Attempting to reclaim memory",
                "Normal NodeHasInsufficientMemory: Node node-1 status is now: NodeHasInsufficientMemory",
            ])
        #expect(
            memoryPressure(bench)
                == "MemoryPressure True KubeletHasInsufficientMemory kubelet has insufficient memory available")
        let identity = try pod("greedy").identity
        bench.feed(.podGone(identity))
        #expect(releases() == 1)
        #expect(bench.mind.podObjects.count == 1)
    }

    @Test func `the next pod goes when the one before has ended, or after half a minute`() throws {
        var bench = try Bench { $0.evictionMemory = 100 << 20 }
        // Containers of the first pod do not end.
        bench.answer = { action in
            if case .stopContainer(let identity, _) = action, identity.name == "first" { [] } else { nil }
        }
        for name in ["first", "second", "third"] { bench.feed(.pod(try pod(name))) }
        let taken = ["first": ["first": Int64(30)], "second": ["second": 20], "third": ["third": 10]]
        bench.feed(usage(50, taken), usage(50, taken))
        bench.run(.seconds(10))
        bench.feed(usage(50, taken))
        #expect(bench.phase("first") == "Failed" && bench.phase("second") == "Running")
        #expect(nodeEvents(bench).count { $0.contains("EvictionThresholdMet") } == 1)
        bench.run(.seconds(20))
        bench.feed(usage(50, taken))
        #expect(bench.phase("second") == "Failed" && bench.phase("third") == "Running")
        // The second one has ended at once.
        bench.feed(usage(50, taken))
        #expect(bench.phase("third") == "Failed")
        #expect(bench.running.keys.map(\.name) == ["first"])
    }

    @Test func `pressure is told for five minutes, and keeps pods without requests away`() throws {
        var bench = try Bench { $0.evictionMemory = 100 << 20 }
        bench.feed(.pod(try pod("vital", #""priority": 2000001000,"#)))
        bench.feed(usage(50, ["vital": ["vital": 200]]))
        #expect(bench.phase("vital") == "Running")
        #expect(nodeEvents(bench).contains("Warning EvictionThresholdMet: Attempting to reclaim memory"))
        bench.feed(
            .pod(try KubeletTests.pod(#"{"containers": [{"name": "late", "image": "curl"}]}"#, name: "late")),
            .pod(try pod("asking", requests: ["asking": "1Mi"])))
        #expect(bench.status("late")["reason"]?.text == "Evicted")
        #expect(bench.status("late")["message"]?.text == "Pod The node had condition: [MemoryPressure]. ")
        #expect(bench.phase("asking") == "Running")
        let toleration = #""tolerations": [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}],"#
        bench.feed(
            .pod(
                try KubeletTests.pod(
                    #"{\#(toleration) "containers": [{"name": "brave", "image": "curl"}]}"#, name: "brave")))
        #expect(bench.phase("brave") == "Running")
        bench.run(.seconds(299))
        #expect(memoryPressure(bench)?.hasPrefix("MemoryPressure True") == true)
        bench.run(.seconds(2))
        #expect(
            memoryPressure(bench)
                == "MemoryPressure False KubeletHasSufficientMemory kubelet has sufficient memory available")
        #expect(
            nodeEvents(bench).last
                == "Normal NodeHasSufficientMemory: Node node-1 status is now: NodeHasSufficientMemory")
    }

    /// Two pods and what they take in MiB; the first one is to go.
    static let orders: [(first: String, firstTakes: Int64, other: String, otherTakes: Int64)] = [
        // Above its request, whatever the priority and the sum.
        (#"{"priority": 9, "request": "1Mi"}"#, 2, #"{"priority": 0, "request": "90Mi"}"#, 80),
        // The lesser priority.
        (#"{"priority": -1, "request": "1Mi"}"#, 2, #"{"priority": 0, "request": "1Mi"}"#, 80),
        (#"{"priority": 4, "request": "50Mi"}"#, 2, #"{"priority": 5, "request": "50Mi"}"#, 40),
        // What is furthest above its request, or nearest to it.
        (#"{"priority": 5, "request": "10Mi"}"#, 30, #"{"priority": 5, "request": "60Mi"}"#, 70),
        (#"{"priority": 5, "request": "10Mi"}"#, 9, #"{"priority": 5, "request": "60Mi"}"#, 50),
        // Nothing asked for is less than anything that is taken.
        (#"{"priority": 5, "request": "0"}"#, 1, #"{"priority": 5, "request": "60Mi"}"#, 50),
    ]

    @Test(arguments: orders.indices, [false, true])
    func `pods go in a kubelet's order`(index: Int, isReversed: Bool) throws {
        let order = Self.orders[index]
        func candidate(_ name: String, _ text: String, _ takes: Int64) throws -> Eviction.Candidate {
            let wanted = try json(text)
            let pod = try pod(
                name, #""priority": \#(wanted["priority"]?.integerValue ?? 0),"#,
                requests: [name: wanted["request"]?.text ?? ""])
            return Eviction.Candidate(pod: pod, usage: takes * Self.mebibyte, containers: [:])
        }
        let candidates = [
            try candidate("one", order.first, order.firstTakes), try candidate("two", order.other, order.otherTakes),
        ]
        #expect(Eviction.first(isReversed ? candidates.reversed() : candidates)?.pod.identity.name == "one")
    }
}
