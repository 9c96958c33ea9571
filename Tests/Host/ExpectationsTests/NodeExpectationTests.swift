import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct NodeExpectationTests {
    @Test func `addresses of the cloud's interfaces are held against the agent's own count`() {
        var observation = ObservationFixture().observation
        observation.nodes[0].interfaceAddresses = .init(
            instanceType: "t3.medium", interfaces: 3, inUse: 3, total: 4, limit: nil)
        func states(_ total: Int) -> [ExpectationResult.State] {
            Judge.results([NodeExpectation(nodes: [], state: "ready", interfaceAddresses: total)], observation)
                .filter { $0.name.hasPrefix("interfaces") }.map(\.state)
        }
        #expect(states(4) == [.met, .inconclusive])
        #expect(states(5) == [.unmet, .inconclusive])
    }

    /// An agent that runs is not enough. A kubelet calls a node ready when it finds a network configuration.
    @Test(arguments: [true, false, nil]) func `a node is ready once its agent runs and its conflist is there`(
        hasConflist: Bool?
    ) {
        var observation = ObservationFixture().observation
        observation.nodes[0].hasConflist = hasConflist
        let result = Judge.results([NodeExpectation(nodes: ["node1"], state: "ready")], observation)
        #expect(result.map(\.state) == [hasConflist == true ? .met : .unmet])
        #expect(result[0].message.contains("no conflist") == (hasConflist == false))
    }

    @Test func `every part that is given has a result of its own`() {
        var observation = ObservationFixture().observation
        observation.nodes[0].fallbacks = ["falls back to kube-proxy"]
        observation.nodes[0].interfaceAddresses = .init(
            instanceType: "t3.medium", interfaces: 3, inUse: 3, total: 4, limit: nil)
        observation.kubeProxies["node1"] = .success(
            KubeProxyReading(chains: [], rules: [], processes: ["labguest"]))
        func results(_ says: String, _ addresses: Int, state: String = "ready") -> [ExpectationResult.State] {
            let expected = NodeExpectation(
                nodes: ["node1"], state: state, says: says, interfaceAddresses: addresses, kubeProxy: .absent)
            let results = Judge.results([expected], observation)
            #expect(
                results.map(\.name) == [
                    "node node1 is \(state)", "status of node1 names \(says)",
                    "interfaces of node1 have \(addresses) addresses", "kube-proxy on node1: none",
                ])
            return results.map(\.state)
        }
        #expect(results("kube-proxy", 4) == [.met, .met, .met, .met])
        #expect(results("kube-proxy", 5) == [.met, .met, .unmet, .met])
        #expect(results("eBPF", 4) == [.met, .unmet, .met, .met])
        #expect(results("kube-proxy", 4, state: "crashed") == [.unmet, .met, .met, .met])
    }

    private func flowCache(
        _ wanted: NodeExpectation.FlowCache, _ count: FlowCacheCount?, streams: ServedStreams? = nil
    ) -> [ExpectationResult.State] {
        var observation = ObservationFixture().observation
        observation.flowCaches["node1"] = count
        observation.servedStreams["node1"] = streams
        let expected = NodeExpectation(nodes: ["node1"], state: "ready", flowCache: wanted)
        return Judge.results([expected], observation).filter { $0.name.hasPrefix("flow cache") }.map(\.state)
    }

    @Test func `the flow cache is used if it served a packet since the step began`() {
        #expect(flowCache(.used, FlowCacheCount(served: 3, forwarded: 9)) == [.met])
        #expect(flowCache(.used, FlowCacheCount(served: 0, forwarded: 9)) == [.unmet])
        #expect(flowCache(.unused, FlowCacheCount(served: 0, forwarded: 9)) == [.met])
        #expect(flowCache(.unused, FlowCacheCount(served: 3, forwarded: 9)) == [.unmet])
        // A node that forwarded nothing had no use for it.
        #expect(flowCache(.unused, FlowCacheCount(served: 0, forwarded: 0)) == [.inconclusive])
        // An agent that could not be asked served nobody knows how many.
        #expect(flowCache(.used, nil) == [.inconclusive])
        #expect(flowCache(.unused, nil) == [.inconclusive])
    }

    /// Probes of the matrix use the cache, too, and say nothing of the streams.
    @Test func `with streams the packets of the streams count`() {
        let probes = FlowCacheCount(served: 500, forwarded: 900)
        #expect(flowCache(.used, probes, streams: ServedStreams(streams: 2, packets: 0)) == [.unmet])
        #expect(flowCache(.used, probes, streams: ServedStreams(streams: 2, packets: 80)) == [.met])
    }

    @Test func `only a cache that is to be used holds the step's actions up`() {
        func needs(_ wanted: NodeExpectation.FlowCache) -> Set<ObservationNeed> {
            NodeExpectation(nodes: ["node1"], state: "ready", flowCache: wanted).needs
        }
        #expect(needs(.used) == [.flowCache, .servedStreams])
        #expect(needs(.unused) == [.flowCache])
    }

    @Test func `an agent that ended by itself is unmet unless the step says so`() {
        var observation = ObservationFixture().observation
        #expect(Judge.results([NodeExpectation](), observation).isEmpty)
        observation.nodes[0].agentRunning = false
        observation.nodes[0].agentEnded = "exit 1"
        observation.nodes[0].agentLog = ["maps.bpf.o: cannot load"]
        let other = NodeExpectation(nodes: ["node2"], state: "ready")
        for expected in [[], [other]] {
            let results = Judge.results(expected, observation)
            #expect(results.last?.name == "agent of node1 runs")
            #expect(results.last?.state == .unmet)
            #expect(results.last?.message.hasSuffix("exit 1: maps.bpf.o: cannot load") == true)
        }
        let down = NodeExpectation(nodes: [], state: "agent-down")
        #expect(!Judge.results([down], observation).contains { $0.name == "agent of node1 runs" })
        // A fault killed it, or it was told to end.
        for ended in ["signal 9", "exit 0"] {
            observation.nodes[0].agentEnded = ended
            #expect(Judge.results([NodeExpectation](), observation).isEmpty)
        }
    }
}
