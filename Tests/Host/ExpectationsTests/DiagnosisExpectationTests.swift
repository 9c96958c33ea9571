import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct DiagnosisExpectationTests {
    private func result(_ expected: DiagnosisExpectation, _ found: [Finding]) -> ExpectationResult.State? {
        var observation = ObservationFixture().observation
        observation.findings = found
        return Judge.results([expected], observation).first?.state
    }
    private let blocked = Finding(
        id: "underlay/vxlan-port-blocked", summary: "security group nodes blocks UDP 8472 ingress", evidence: [],
        fix: "",
        confidence: 1)
    private let unknown = Finding(id: "unknown", summary: "", evidence: [], fix: "", confidence: 0.1)

    @Test func `the cause must be found, first, and name what it must`() {
        let expected = DiagnosisExpectation(id: "underlay/vxlan-port-blocked", mentions: ["nodes", "8472"])
        #expect(result(expected, [blocked]) == .met)
        #expect(result(expected, [unknown, blocked]) == .unmet)
        #expect(result(expected, [unknown]) == .unmet)
        #expect(result(DiagnosisExpectation(id: blocked.id, mentions: ["egress"]), [blocked]) == .unmet)
        #expect(result(DiagnosisExpectation(id: "none", mentions: []), []) == .met)
        #expect(result(DiagnosisExpectation(id: "none", mentions: []), [blocked]) == .unmet)
    }
}
