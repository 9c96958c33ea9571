import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct IdentityExpectationTests {
    private static let pods = EndpointSelector(kind: .pod)
    private static let right = [
        IdentityReading(node: "node1", pod: "default/web-node1", identity: 700, endpointID: 3),
        IdentityReading(node: "node2", pod: "default/web-node2", identity: 700, endpointID: 3),
    ]

    private func result(
        _ readings: [IdentityReading], _ expected: IdentityExpectation = IdentityExpectation(pods: pods),
        before: [IdentityReading] = [], missing: [String: String] = [:]
    ) -> ExpectationResult? {
        var observation = ObservationFixture().observation
        observation.identities = readings
        observation.identitiesMissing = missing
        return Judge.results([expected], observation, identitiesBefore: ["before": before]).first
    }

    @Test func `one identity on every node`() {
        #expect(result(Self.right)?.state == .met)
        #expect(result([])?.state == .unmet)
        #expect(result([Self.right[0]])?.state == .unmet)
        var other = Self.right
        other[1] = IdentityReading(node: "node2", pod: "default/web-node2", identity: 701, endpointID: 3)
        #expect(result(other)?.message.contains("701 at node2") == true)
        #expect(result(Self.right, missing: ["node2": "no answer"])?.state == .inconclusive)
    }

    @Test func `endpoints of a node are apart`() {
        var same = Self.right
        same[1] = IdentityReading(node: "node1", pod: "default/web-node2", identity: 700, endpointID: 3)
        #expect(result(same)?.state == .unmet)
    }

    @Test func `apart from others`() {
        let expected = IdentityExpectation(
            pods: EndpointSelector(ids: ["default/web-node1"]), apartFrom: EndpointSelector(ids: ["default/web-node2"]))
        #expect(result(Self.right, expected)?.state == .unmet)
        var other = Self.right
        other[1] = IdentityReading(node: "node2", pod: "default/web-node2", identity: 701, endpointID: 3)
        #expect(result(other, expected)?.state == .met)
        // The agents do not know one of the pods, so nobody can say that it is apart.
        let all = IdentityExpectation(
            pods: EndpointSelector(ids: ["default/web-node1"]), apartFrom: EndpointSelector(ids: ["default/web-node2"]))
        #expect(result([Self.right[0]], all)?.state == .unmet)
        let nobody = IdentityExpectation(pods: Self.pods, apartFrom: EndpointSelector(ids: ["default/none"]))
        #expect(result(Self.right, nobody)?.state == .unmet)
    }

    @Test func `a replacement keeps the identity and no endpoint`() {
        let expected = IdentityExpectation(pods: Self.pods, replacedSince: "before")
        func before(_ identity: UInt32, _ id: UInt16) -> [IdentityReading] {
            Self.right.map { IdentityReading(node: $0.node, pod: $0.pod, identity: identity, endpointID: id) }
        }
        #expect(result(Self.right, expected, before: before(700, 2))?.state == .met)
        #expect(result(Self.right, expected, before: before(700, 3))?.state == .unmet)
        #expect(result(Self.right, expected, before: before(699, 2))?.state == .unmet)
        #expect(result(Self.right, expected, before: [])?.state == .unmet)
    }
}
