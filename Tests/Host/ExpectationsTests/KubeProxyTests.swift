import Observations
import RunEvents
import Testing

@testable import Expectations

@Suite struct KubeProxyTests {
    private func states(
        _ wanted: NodeExpectation.KubeProxy, _ reading: Result<KubeProxyReading, any Error>?
    ) -> [ExpectationResult.State] {
        var observation = ObservationFixture().observation
        observation.kubeProxies["node1"] = reading
        let expected = NodeExpectation(nodes: ["node1"], state: "ready", kubeProxy: wanted)
        return Judge.results([expected], observation).filter { $0.name.hasPrefix("kube-proxy") }.map(\.state)
    }

    private struct NoAnswer: Error {}

    @Test func `what is left of kube-proxy is found in chains, in rules and among the processes`() {
        let clean = KubeProxyReading(chains: [], rules: [], processes: ["labguest"])
        let rules = KubeProxyReading(
            chains: ["KUBE-SERVICES"], rules: ["-A PREROUTING -j KUBE-SERVICES"], processes: ["labguest"])
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
        #expect(states(.absent, .failure(NoAnswer())) == [.inconclusive])
        let empty = KubeProxyReading(chains: [], rules: [], processes: [])
        #expect(states(.absent, .success(empty)) == [.inconclusive])
    }
}
