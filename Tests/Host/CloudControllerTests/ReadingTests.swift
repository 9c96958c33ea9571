import Hashing
import JSON
import Testing

@testable import CloudController

/// Objects of strangers: whatever is in them, they are read or refused.
@Suite struct ReadingTests {
    static let quantities: [(String, Int64?)] = [
        ("1", 1000), ("100m", 100), ("1.5", 1500), ("1Ki", 1_024_000), ("64Mi", 67_108_864_000), ("1e3", 1_000_000),
        ("0.0001", 1), ("100E", .max), ("-1", -1000), ("", nil), ("m", nil), (".", nil), ("1.2.3", nil),
        ("1 Gi", nil), ("1e99", nil), ("NaN", nil), ("1k", 1_000_000),
    ]
    @Test(arguments: quantities) func quantitiesAreThousandths(_ text: String, _ milli: Int64?) {
        #expect(ResourceAmounts.milli(of: text) == milli)
    }

    @Test func amountsAreWrittenAsTheyAreMeant() {
        let amounts = ResourceAmounts(milli: [
            "cpu": 821, "memory": 1350 * 1_048_576 * 1000, "pods": 10_000, "ephemeral-storage": 0,
        ])
        #expect(
            amounts.description == #"{"cpu":"821m","ephemeral-storage":"0","memory":"1350Mi","pods":"10"}"#)
    }

    @Test func sumsOfAnythingDoNotTrap() {
        let most = ResourceAmounts(milli: ["cpu": .max])
        let least = ResourceAmounts(milli: ["cpu": .min])
        #expect((most + most)["cpu"] == .max)
        #expect((least - most)["cpu"] == .min)
        #expect((most - least)["cpu"] == .max)
    }

    static let durations: [(String, Duration?)] = [
        ("30s", .seconds(30)), ("1h30m", .seconds(5400)), ("0s", .zero), ("0", .zero), ("", nil), ("30", nil),
        ("s", nil), ("1d", nil), ("1.5m", .seconds(90)), ("99999999999s", nil),
    ]
    @Test(arguments: durations) func durationsOfManifests(_ text: String, _ duration: Duration?) {
        #expect(KubeDuration.duration(text) == duration)
    }

    @Test func requirementsMeet() throws {
        func one(_ comparison: String, _ values: [String] = []) throws -> LabelRequirement {
            try #require(LabelRequirement("k", comparison, values))
        }
        #expect(try one("In", ["a", "b"]).intersection(one("In", ["b", "c"])).description == "k In [b]")
        #expect(try one("In", ["a", "b"]).intersection(one("NotIn", ["b"])).description == "k In [a]")
        #expect(try one("NotIn", ["a"]).intersection(one("NotIn", ["b"])).description == "k NotIn [a b]")
        #expect(try one("Exists").intersection(one("DoesNotExist")).isEmpty)
        #expect(try one("Gt", ["3"]).intersection(one("Lt", ["4"])).isEmpty)
        #expect(try !one("Gt", ["3"]).intersection(one("Lt", ["5"])).isEmpty)
        #expect(try one("Gt", ["\(Int64.max)"]).intersection(one("Lt", ["\(Int64.min)"])).isEmpty)
        #expect(try one("Gt", ["3"]).intersection(one("In", ["3", "4", "x"])).description == "k In [4]")
        #expect(LabelRequirement("k", "Like", ["a"]) == nil)
        #expect(LabelRequirement("k", "Gt", ["a"]) == nil)
    }

    static let seeds = [
        """
        {"metadata": {"namespace": "a", "name": "b", "labels": {"x": "y"}, "ownerReferences": [{"kind": "Node"}],
         "finalizers": ["f"], "creationTimestamp": "2026-01-31T12:00:00Z"},
         "spec": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a"}], "taints": [{"key": "a", "effect": "b"}],
          "startupTaints": [{"key": "a", "effect": "b"}], "requirements": [{"key": "a", "operator": "Gt",
          "values": ["7"]}], "limits": {"cpu": "7"}, "weight": 3, "type": "LoadBalancer", "ports": [{"port": 80,
          "nodePort": 30000}], "resources": {"requests": {"cpu": "100m"}},
          "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
           [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}},
           "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey":
            "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}]}},
          "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"taints": [{"key": "a", "effect": "b"}],
           "requirements": [{"key": "a", "operator": "Lt", "values": ["9"]}], "containers": []}},
          "disruption": {"consolidateAfter": "30s"}, "containers": [{"resources": {"requests": {"memory": "1Gi"}},
          "ports": [{"hostPort": 80}]}], "overhead": {"cpu": "1"}},
         "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "True"}],
          "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "allocatable": {"cpu": "4"},
          "loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}
        """
    ]

    /// Ten thousand texts, each with a few bytes changed; those that are JSON still are read as everything.
    @Test func mutatedObjectsAreReadOrRefused() throws {
        var random = SplitMix64(seed: 41)
        let characters = Array("{}[]\":,0123456789-eEmMGiabc \\".utf8)
        var read = 0
        for _ in 0..<10_000 {
            var text = Array(Self.seeds[0].utf8)
            for _ in 0...Int(random.next() % 3) {
                let place = Int(random.next() % UInt64(text.count))
                switch random.next() % 3 {
                case 0: text[place] = characters[Int(random.next() % UInt64(characters.count))]
                case 1: text.remove(at: place)
                default: text.insert(characters[Int(random.next() % UInt64(characters.count))], at: place)
                }
            }
            guard let value = try? JSONText.value(of: text) else { continue }
            var view = ClusterView()
            view.types = [small]
            view.pods = [try? ScheduledPod(value)].compactMap { pod in
                var pod = pod
                pod?.isUnschedulable = true
                pod?.owners = []
                return pod
            }
            view.daemonSets = [try? ScheduledPod(ofDaemonSet: value)].compactMap(\.self)
            view.nodes = [try? KubeNode(value)].compactMap(\.self)
            view.pools = [try? NodePool(value)].compactMap(\.self)
            view.claims = [try? NodeClaim(value)].compactMap(\.self)
            read += view.pools.count
            _ = Provisioning(view) { "abcde" }
            for claim in view.claims { _ = ClaimStep(claim, in: view, age: .zero, time: "") }
            if let service = try? BalancedService(value) {
                _ = BalancerAffairs(service, nodes: view.nodes, present: nil)
            }
        }
        // Otherwise nothing was tested.
        #expect(read > 1000)
    }
}
