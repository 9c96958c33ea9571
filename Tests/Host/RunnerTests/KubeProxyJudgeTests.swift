import KubeProxy
import Lab
import RunEvents
import Scenario
import Testing

@testable import Runner

@Suite struct KubeProxyJudgeTests {
    private static let saved = SavedRules(
        """
        *nat
        :PREROUTING ACCEPT [0:0]
        :KUBE-SERVICES - [0:0]
        [0:0] -A PREROUTING -j KUBE-SERVICES
        COMMIT
        """)

    private func states(
        _ wanted: NodeExpectation.KubeProxy, _ reading: Result<KubeProxyReading, any Error>?
    ) -> [ExpectationResult.State] {
        var observation = ObservationFixture().observation
        observation.kubeProxies["node1"] = reading
        let judge = Judge(
            Expectations(nodes: [NodeExpectation(nodes: ["node1"], state: "ready", kubeProxy: wanted)]), nodeCount: 2)
        return judge.kubeProxyResults(observation).map(\.state)
    }

    @Test func `what is left of kube-proxy is found in chains, in rules and among the processes`() {
        let clean = KubeProxyReading(SavedRules(""), processes: ["labguest"])
        let rules = KubeProxyReading(Self.saved, processes: ["labguest"])
        #expect(rules.chains == ["KUBE-SERVICES"])
        #expect(rules.rules == ["-A PREROUTING -j KUBE-SERVICES"])
        let emptyChain = KubeProxyReading(chains: ["KUBE-FORWARD"], rules: [], processes: ["labguest"])
        let process = KubeProxyReading(chains: [], rules: [], processes: ["labguest", "kube-proxy"])
        #expect(states(.absent, .success(clean)) == [.met])
        #expect(states(.rules, .success(clean)) == [.unmet])
        #expect(states(.absent, .success(rules)) == [.unmet])
        #expect(states(.rules, .success(rules)) == [.met])
        #expect(states(.absent, .success(emptyChain)) == [.unmet])
        #expect(states(.absent, .success(process)) == [.unmet])
    }

    @Test func `what was not read proves nothing`() {
        #expect(states(.absent, nil) == [.inconclusive])
        #expect(states(.absent, .failure(LabError(.request, "no answer"))) == [.inconclusive])
        let empty = KubeProxyReading(chains: [], rules: [], processes: [])
        #expect(states(.absent, .success(empty)) == [.inconclusive])
    }
}
