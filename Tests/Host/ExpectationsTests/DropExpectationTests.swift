import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct DropExpectationTests {
    private static let flow = FlowTuple(
        protocol: 6, source: "192.168.1.1", sourcePort: 40000, destination: "192.168.2.1", destinationPort: 8080)

    private func drop(_ reason: String, rule: String?, flow: FlowTuple = flow) -> PacketEvent {
        PacketEvent(
            node: "node2", hook: .fromOverlay, drop: PacketDrop(DropReason(rawValue: reason), location: "policy.h:1"),
            flow: flow, rule: rule)
    }

    private func state(
        _ observed: Outcome, _ datapath: [PacketEvent], rule: String? = "NetworkPolicy default/p",
        gaps: [String: String] = [:], silence: SilenceDoubt = SilenceDoubt()
    ) -> ExpectationResult.State? {
        let ends = ObservationFixture.endpoints
        var observation = ObservationFixture().observation
        let probe = ProbeReading(
            key: CellKey(from: ends[0].id, to: ends[1].id, protocol: .tcp, port: 8080), observed: observed,
            flow: Self.flow, requestArrived: false, sent: 1, answered: 0)
        observation.paths = PathIndex(
            Evidence(endpoints: observation.endpoints, probes: [probe], datapath: datapath))
        observation.datapathGaps = gaps
        observation.silence = silence
        let expected = DropExpectation(
            cells: CellSelection(
                from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod), protocols: [.tcp]),
            reason: "policy-denied-ingress", rule: rule)
        return Judge.results([expected], observation).first?.state
    }

    @Test func `every denied cell needs the event that says why`() {
        let right = drop("policy-denied-ingress", rule: "NetworkPolicy default/p")
        #expect(state(.timeout, [right]) == .met)
        #expect(state(.timeout, [right], rule: nil) == .met)
        #expect(state(.timeout, []) == .unmet)
        #expect(state(.timeout, [drop("policy-deny-rule", rule: "NetworkPolicy default/p")]) == .unmet)
        #expect(state(.timeout, [drop("policy-denied-ingress", rule: "NetworkPolicy default/other")]) == .unmet)
        #expect(state(.timeout, [drop("policy-denied-ingress", rule: nil)]) == .unmet)
        var other = Self.flow
        other.sourcePort = 40001
        #expect(
            state(.timeout, [drop("policy-denied-ingress", rule: "NetworkPolicy default/p", flow: other)]) == .unmet)
    }

    @Test func `an event that could not be had is not missing`() {
        let gaps = ["node2": "12 events were overwritten unread"]
        #expect(state(.timeout, [], gaps: gaps) == .inconclusive)
        // Another node's events say nothing about these packets.
        #expect(state(.timeout, [], gaps: ["node3": "the agent could not be asked"]) == .unmet)
        // The recorded event has another reason.
        let other = drop("policy-deny-rule", rule: "NetworkPolicy default/p")
        #expect(state(.timeout, [other], gaps: gaps) == .unmet)
        let right = drop("policy-denied-ingress", rule: "NetworkPolicy default/p")
        #expect(state(.timeout, [right], gaps: gaps) == .met)
    }

    /// The cell was answered through another address, so nobody dropped it.
    @Test func `an answered cell needs no event`() {
        #expect(state(.wrongSource("10.0.0.11:1"), []) == .unmet)
        #expect(state(.refused, []) == .unmet)
        #expect(state(.refused, [drop("policy-denied-ingress", rule: "NetworkPolicy default/p")]) == .met)
    }

    @Test func `nothing denied is no confirmation`() {
        #expect(state(.open, [drop("policy-denied-ingress", rule: "NetworkPolicy default/p")]) == .unmet)
    }

    @Test func `silence on a busy host need not be a denial`() {
        let busy = SilenceDoubt(asked: 1, waited: 1, starved: 0.9)
        let right = drop("policy-denied-ingress", rule: "NetworkPolicy default/p")
        #expect(state(.timeout, [], silence: busy) == .inconclusive)
        #expect(state(.loss(percent: 50), [], silence: busy) == .inconclusive)
        #expect(state(.timeout, [right], silence: busy) == .met)
        // A refusal is an answer, and an event with another reason is a denial.
        #expect(state(.refused, [], silence: busy) == .unmet)
        #expect(
            state(.timeout, [drop("policy-deny-rule", rule: "NetworkPolicy default/p")], silence: busy) == .unmet)
        #expect(state(.open, [], silence: busy) == .unmet)
    }

    @Test func `cells that were not measured may have been denied`() {
        #expect(state(.notMeasured, []) == .inconclusive)
    }
}
