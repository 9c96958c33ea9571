import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct HealthExpectationTests {
    @Test func `shares are read, or refused`() {
        #expect(ReachableShare("N-1/N")?.missing == 1)
        #expect(ReachableShare("N-/N") == nil)
        #expect(ReachableShare("1/N/N") == nil)
    }

    @Test func `reachable counts are held against each node's own report`() {
        var observation = ObservationFixture().observation
        observation.health = [
            HealthRecord(
                node: "node1", reachable: 1, total: 2,
                peers: [.init(name: "node2", address: "10.0.0.12", node: true, endpoint: false)])
        ]
        observation.healthMissing = ["node2": "node2 is paused"]
        let results = Judge.results(
            [HealthExpectation(nodes: [], reachable: 1, total: nil, allReachable: false)], observation)
        #expect(results.map(\.state) == [.met, .inconclusive])
        #expect(results[0].message == "1/2 reachable: node2 node 1/1 endpoints 0/1")
        #expect(results[1].message == "node2 is paused")
    }

    /// An autoscaler may launch a node while the step is measured.
    @Test func `N is the number of nodes in the round`() {
        var observation = ObservationFixture().observation
        observation.health = [
            HealthRecord(
                node: "node1", reachable: 3, total: 3,
                peers: ["node2", "node3"].map { .init(name: $0, address: "10.0.0.12", node: true, endpoint: true) })
        ]
        let expected = HealthExpectation(nodes: ["node1"], reachable: 0, total: nil, allReachable: true)
        #expect(Judge.results([expected], observation).map(\.state) == [.unmet])
        observation.nodeCount = 3
        #expect(Judge.results([expected], observation).map(\.state) == [.met])
    }
}
