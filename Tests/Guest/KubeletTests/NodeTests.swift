import JSON
import Testing

@testable import Kubelet

@Suite struct NodeTests {
    func conditions(_ object: JSONValue) -> [String] {
        (object["status"]?["conditions"]?.elements ?? []).map {
            [$0["type"], $0["status"], $0["reason"], $0["message"]].compactMap { $0?.text }.joined(separator: " ")
        }
    }

    func patches(_ bench: Bench) -> [JSONValue] {
        bench.log.compactMap { if case .patchNodeStatus(let patch) = $0 { patch } else { nil } }
    }

    func nodeEvents(_ bench: Bench) -> [String] {
        bench.events.filter { $0.object["involvedObject"]?["kind"]?.text == "Node" }
            .map { "\($0.type) \($0.reason): \($0.message)" }
    }

    @Test func aNodeRegistersAndBecomesReady() throws {
        var bench = try Bench(
            {
                $0.taints = [Taint(key: "a", effect: "NoSchedule")]
                $0.podCIDR = "10.1.0.0/24"
                $0.providerID = "aws:///a/i-1"
                $0.labels = ["zone": "a"]
            }, isNetworkReady: false)
        let object = try #require(
            bench.log.lazy.compactMap { if case .registerNode(let object) = $0 { object } else { nil } }.first)
        #expect(object["metadata"]?["labels"]?["kubernetes.io/hostname"]?.text == "node-1")
        #expect(object["metadata"]?["labels"]?["zone"]?.text == "a")
        #expect(object["spec"]?["taints"]?.elements?.first?["effect"]?.text == "NoSchedule")
        #expect(object["spec"]?["podCIDRs"] == .array([.string("10.1.0.0/24")]))
        #expect(object["status"]?["capacity"]?["memory"]?.text == "1048576Ki")
        #expect(object["status"]?["allocatable"]?["cpu"]?.text == "2")
        #expect(
            object["status"]?["daemonEndpoints"]?["kubeletEndpoint"]?["Port"] == .integer(10250))
        #expect(
            conditions(object) == [
                "MemoryPressure False KubeletHasSufficientMemory kubelet has sufficient memory available",
                "DiskPressure False KubeletHasNoDiskPressure kubelet has no disk pressure",
                "PIDPressure False KubeletHasSufficientPID kubelet has sufficient PID available",
                "Ready False KubeletNotReady runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
                    + "message:Network plugin returns error: cni plugin not initialized",
            ])
        bench.run(.seconds(5))
        #expect(patches(bench).isEmpty)
        bench.feed(.network(problem: nil))
        #expect(
            conditions(try #require(patches(bench).first)).last
                == "Ready True KubeletReady kubelet is posting ready status")
        bench.feed(.network(problem: "cni plugin not initialized"))
        #expect(
            nodeEvents(bench) == [
                "Normal Starting: Starting kubelet.",
                "Normal NodeHasSufficientMemory: Node node-1 status is now: NodeHasSufficientMemory",
                "Normal NodeHasNoDiskPressure: Node node-1 status is now: NodeHasNoDiskPressure",
                "Normal NodeHasSufficientPID: Node node-1 status is now: NodeHasSufficientPID",
                "Normal NodeAllocatableEnforced: Updated Node Allocatable limit across pods",
                "Normal NodeReady: Node node-1 status is now: NodeReady",
                "Normal NodeNotReady: Node node-1 status is now: NodeNotReady",
            ])
    }

    @Test func transitionsKeepTheirTimes() throws {
        var bench = try Bench(isNetworkReady: false)
        bench.run(.seconds(60))
        bench.feed(.network(problem: nil))
        let patch = try #require(patches(bench).last)
        let times = (patch["status"]?["conditions"]?.elements ?? []).map { $0["lastTransitionTime"]?.text ?? "" }
        #expect(Set(times.prefix(3)) == [Timestamp.seconds(Bench.boot)])
        #expect(times.last == bench.time.timestamp)
        #expect(patch["status"]?["conditions"]?.elements?.first?["lastHeartbeatTime"]?.text == bench.time.timestamp)
    }

    @Test func aLeaseIsRenewedAndTheStatusRarely() throws {
        var bench = try Bench()
        bench.log = []
        bench.run(.seconds(600))
        let leases = bench.log.compactMap { if case .renewLease(let lease) = $0 { lease } else { nil } }
        #expect((59...61).contains(leases.count))
        let lease = try #require(leases.last)
        #expect(
            lease["spec"]?["leaseDurationSeconds"] == .integer(40) && lease["spec"]?["holderIdentity"]?.text == "node-1"
        )
        #expect(lease["spec"]?["renewTime"]?.text?.hasSuffix(".000000Z") == true)
        #expect(lease["metadata"]?["ownerReferences"]?.elements?.first?["uid"]?.text == "node-uid")
        #expect(lease["metadata"]?["namespace"]?.text == "kube-node-lease")
        #expect(patches(bench).count == 2)
    }

    @Test func whatCouldNotBeWrittenIsWrittenAgain() throws {
        var bench = try Bench(isNetworkReady: false)
        var mind = KubeletMind(settings(), images: try catalogue(), seed: 1)
        func registers(_ actions: [KubeletAction]) -> Int {
            actions.count { if case .registerNode = $0 { true } else { false } }
        }
        #expect(registers(mind.advance(to: bench.time)) == 1)
        #expect(registers(mind.take(.nodeWritten(.failure("unreachable")), at: bench.time)) == 0)
        bench.now = .seconds(9)
        #expect(registers(mind.advance(to: bench.time)) == 0)
        bench.now = .seconds(11)
        #expect(registers(mind.advance(to: bench.time)) == 1)

        bench.answer = { if case .patchNodeStatus = $0 { [.nodeWritten(.failure("unreachable"))] } else { nil } }
        bench.feed(.network(problem: nil))
        bench.run(.seconds(25))
        #expect(patches(bench).count == 3)
    }

    @Test func aRebootIsTold() throws {
        var bench = try Bench()
        bench.answer = {
            guard case .registerNode = $0 else { return nil }
            return [
                .nodeWritten(.success),
                .node(
                    .object([
                        "metadata": .object(["uid": .string("n")]),
                        "status": .object(["nodeInfo": .object(["bootID": .string("boot-1")])]),
                    ])),
            ]
        }
        bench.mind = KubeletMind(settings(), images: try catalogue(), seed: 1)
        bench.feed(.network(problem: nil))
        #expect(nodeEvents(bench).contains("Warning Rebooted: Node node-1 has been rebooted, boot id: boot-2"))
    }
}
