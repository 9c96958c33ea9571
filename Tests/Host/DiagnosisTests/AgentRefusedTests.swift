import Testing

@testable import Diagnosis

@Suite struct AgentRefusedTests {
    private func node(_ name: String, running: Bool, ended: String?, log: [String]) -> NodeReading {
        NodeReading(
            name: name, address: "10.0.0.11", podCIDR: "", tunnelPort: 8472, power: .running, answers: true,
            carrier: true, agentRunning: running, impairments: [], agentEnded: ended, agentLog: log)
    }

    private let line = "error=\"required IPv4 PodCIDR not available: Node node1 has no spec.podCIDR\""

    @Test func anAgentThatSaysWhyItEndedIsEvidentWithoutAFailingProbe() {
        let evidence = Evidence(nodes: [
            node("node1", running: false, ended: "exit 1", log: ["starting", line]),
            node("node2", running: true, ended: nil, log: []),
        ])
        let found = Diagnosis.examine(evidence)
        #expect(found.map(\.id) == ["ipam/podcidr-missing"])
        #expect(found.first?.summary.contains("node1") == true)
        #expect(found.first?.summary.contains("node2") == false)
        #expect(found.first?.evidence == ["node1: exit 1: \(line)"])
    }

    @Test func whatARunningAgentSaidIsHistory() {
        #expect(Diagnosis.examine(Evidence(nodes: [node("node1", running: true, ended: nil, log: [line])])).isEmpty)
    }

    @Test func anEndWithoutAReasonIsNone() {
        let evidence = Evidence(nodes: [node("node1", running: false, ended: "signal 9", log: ["starting"])])
        #expect(Diagnosis.examine(evidence).isEmpty)
    }
}
