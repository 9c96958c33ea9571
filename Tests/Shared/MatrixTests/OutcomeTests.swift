import Foundation
import Matrix
import Testing

@Suite struct OutcomeTests {
    @Test(
        "text forms read back",
        arguments: [
            Outcome.open, .refused, .reset, .unreachable(code: 13), .timeout, .wrongSource("10.0.0.11:4711"),
            .loss(percent: 40), .dnsFailure(code: 3), .http(403), .notMeasured,
        ])
    func roundTrip(outcome: Outcome) throws {
        #expect(Outcome(outcome.description) == outcome)
        #expect(Outcome.names.contains(outcome.name))
        #expect(try JSONDecoder().decode([Outcome].self, from: JSONEncoder().encode([outcome])) == [outcome])
    }

    @Test(
        "texts that are none",
        arguments: [
            "", "opn", "open()", "loss(0)", "loss(100)", "unreachable(256)", "unreachable(1", "http(99)", "(",
            "wrong-source()",
        ])
    func refused(text: String) {
        #expect(Outcome(text) == nil)
    }

    @Test(arguments: [
        (Outcome.open, true), (.http(200), true), (.http(304), true), (.http(403), false), (.http(503), false),
        (.timeout, false), (.dnsFailure(code: 3), false), (.notMeasured, false),
    ])
    func success(outcome: Outcome, isServed: Bool) { #expect(outcome.isServed == isServed) }

    @Test func patterns() {
        #expect(OutcomePattern("unreachable")?.matches(.unreachable(code: 1)) == true)
        #expect(OutcomePattern("unreachable(1)")?.matches(.unreachable(code: 3)) == false)
        #expect(OutcomePattern("unreachabel") == nil)
    }
}

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
}
