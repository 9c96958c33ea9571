import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct FlowLogExpectationTests {
    private let vxlan = FlowTuple(
        protocol: 17, source: "10.0.0.11", sourcePort: 50000, destination: "10.0.0.12", destinationPort: 8472)

    @Test func `flow log records are counted by action`() {
        var observation = ObservationFixture().observation
        observation.flowLog = [
            FlowLogReading(node: "node2", interfaceID: "eni-2", accepted: false, flow: vxlan, packets: 4)
        ]
        let results = Judge.results(
            [
                FlowLogExpectation(action: "REJECT", protocol: "udp", port: 8472, nodes: ["node2"], present: true),
                FlowLogExpectation(action: "ACCEPT", protocol: "udp", port: 8472, nodes: ["node2"], present: true),
            ], observation)
        #expect(results.map(\.state) == [.met, .unmet])
    }
}
