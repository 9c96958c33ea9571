import Matrix
import Readings
import Testing

@Suite struct ExpectationRuleTests {
    private func pod(_ name: String, on node: String) -> Endpoint {
        Endpoint(
            id: "default/\(name)", kind: .pod, node: node, namespace: "default", address: "192.168.0.2", port: 8080,
            labels: ["app": name])
    }

    @Test func laterRulesGoOverEarlierOnes() throws {
        let open = try #require(OutcomePattern("open"))
        let timeout = try #require(OutcomePattern("timeout"))
        let all = EndpointSelector()
        let rules = [
            ExpectationRule(from: all, to: all, protocols: [], port: nil, where: nil, outcomes: [open]),
            ExpectationRule(from: all, to: all, protocols: [.udp], port: nil, where: .crossNode, outcomes: [timeout]),
        ]
        let (a, b, c) = (pod("a", on: "node1"), pod("b", on: "node1"), pod("c", on: "node2"))
        #expect(rules.expectation(from: a, to: c, protocol: .udp, port: 8080) == [timeout])
        #expect(rules.expectation(from: a, to: c, protocol: .tcp, port: 8080) == [open])
        #expect(rules.expectation(from: a, to: b, protocol: .udp, port: 8080) == [open])
        let labelled = EndpointSelector(kind: .pod, nodes: ["node2"], labels: ["app": "c"])
        #expect(labelled.matches(c) && !labelled.matches(a))
        #expect([ExpectationRule]().expectation(from: a, to: b, protocol: .tcp, port: 1) == nil)
    }

    @Test func patterns() {
        #expect(OutcomePattern("unreachable")?.matches(.unreachable(code: 1)) == true)
        #expect(OutcomePattern("unreachable(1)")?.matches(.unreachable(code: 3)) == false)
        #expect(OutcomePattern("unreachabel") == nil)
    }
}
