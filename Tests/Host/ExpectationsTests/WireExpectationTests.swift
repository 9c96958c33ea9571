import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct WireExpectationTests {
    private let vxlan = FlowTuple(
        protocol: 17, source: "10.0.0.11", sourcePort: 50000, destination: "10.0.0.12", destinationPort: 8472)

    @Test func `leaving and arriving are told apart`() {
        var observation = ObservationFixture().observation
        observation.wire = [TapPacket(node: "node1", fromNode: true, outer: vxlan, vni: 1, inner: nil)]
        let results = Judge.results(
            [
                WireExpectation(protocol: "udp", port: 8472, direction: .leaves, nodes: ["node1"], present: true),
                WireExpectation(protocol: "udp", port: 8472, direction: .arrives, nodes: ["node2"], present: false),
                WireExpectation(protocol: "udp", port: 8472, direction: .arrives, nodes: ["node2"], present: true),
                WireExpectation(
                    protocol: "udp", port: 8472, side: .source, direction: .leaves, nodes: ["node1"], present: true),
                WireExpectation(
                    protocol: "udp", port: 50000, side: .source, direction: .leaves, nodes: ["node1"], present: true),
            ], observation)
        #expect(results.map(\.state) == [.met, .met, .unmet, .unmet, .met])
    }
}
