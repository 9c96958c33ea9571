import Diagnosis
import Observations
import RunEvents
import Testing

@testable import Expectations

@Suite struct PodsExpectationTests {
    private func result(
        _ expected: PodsExpectation, power: NodeReading.Power = .running
    ) -> ExpectationResult? {
        var observation = ObservationFixture().observation
        observation.nodes[1].power = power
        observation.pods = [
            PodReading(id: "default/web-1", node: "node1", labels: ["app": "web"], reason: nil),
            PodReading(id: "default/web-2", node: "node2", labels: ["app": "web"], reason: nil),
            PodReading(id: "default/web-3", node: "node2", labels: ["app": "web"], reason: "a t3.small has no more"),
        ]
        return Judge.results([expected], observation).first
    }

    @Test func `pods run where their node runs`() {
        let two = PodsExpectation(state: .running, count: 2)
        let one = PodsExpectation(state: .running, count: 1, nodes: ["node1"])
        #expect(result(two)?.state == .met)
        for power in [NodeReading.Power.stopped, .paused] {
            #expect(result(two, power: power)?.state == .unmet)
            #expect(result(PodsExpectation(state: .running, count: 1), power: power)?.state == .met)
            #expect(result(one, power: power)?.state == .met)
        }
        #expect(result(two, power: .unknown)?.state == .inconclusive)
        #expect(result(one, power: .unknown)?.state == .met)
    }

    @Test func `the node of pods that do not run is named`() {
        let ended = PodsExpectation(state: .running, count: 1, nodes: ["node2"])
        #expect(
            result(ended, power: .unknown)?.message == "default/web-2: the hypervisor could not be asked about node2")
        #expect(result(ended, power: .stopped)?.message.hasPrefix("0 of 2 are running, not 1; ") == true)
    }

    @Test func `waiting pods are those that the network plugin refused`() {
        #expect(result(PodsExpectation(state: .waiting, count: 1, mentions: ["t3.small"]))?.state == .met)
        #expect(result(PodsExpectation(state: .waiting, count: 1, mentions: ["t3.large"]))?.state == .unmet)
        #expect(result(PodsExpectation(state: .waiting, count: 1), power: .stopped)?.state == .met)
    }
}
