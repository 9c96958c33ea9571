import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct MatrixRuleTests {
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
            MatrixExpectation(from: all, to: all, protocols: [], port: nil, where: nil, outcomes: [open]),
            MatrixExpectation(from: all, to: all, protocols: [.udp], port: nil, where: .crossNode, outcomes: [timeout]),
        ]
        let (a, b, c) = (pod("a", on: "node1"), pod("b", on: "node1"), pod("c", on: "node2"))
        #expect(rules.deciding(from: a, to: c, protocol: .udp, port: 8080)?.outcomes == [timeout])
        #expect(rules.deciding(from: a, to: c, protocol: .tcp, port: 8080)?.outcomes == [open])
        #expect(rules.deciding(from: a, to: b, protocol: .udp, port: 8080)?.outcomes == [open])
        let labelled = EndpointSelector(kind: .pod, nodes: ["node2"], labels: ["app": "c"])
        #expect(labelled.matches(c) && !labelled.matches(a))
        #expect([MatrixExpectation]().deciding(from: a, to: b, protocol: .tcp, port: 1)?.outcomes == nil)
    }

    @Test func `the last covering rule decides the source`() {
        func host(_ kind: EndpointKind) -> Endpoint {
            Endpoint(id: "x", kind: kind, node: nil, namespace: nil, address: "1.1.1.1", port: 7, labels: [:])
        }
        let sender = pod("a", on: "node1")
        let all = EndpointSelector()
        let rules = [
            MatrixExpectation(from: all, to: all, protocols: [], port: nil, where: nil, outcomes: [], source: .node),
            MatrixExpectation(
                from: all, to: EndpointSelector(kind: .internet), protocols: [], port: nil, where: nil, outcomes: []),
        ]
        #expect(rules.deciding(from: sender, to: host(.vpcHost), protocol: .udp, port: 7)?.source == .node)
        #expect(rules.deciding(from: sender, to: host(.internet), protocol: .udp, port: 7)?.source == nil)
    }
}
