import Diagnosis
import Readings
import Testing

/// The node of the flow log's record shows in which direction a rule is missing.
@Suite struct RejectedDirectionTests {
    /// A connection of the pod on node1 to a host outside, or of that host to the pod, which node1's interface
    /// rejected.
    private func finding(from: String, to: String) throws -> Finding {
        let addresses = ["default/a": "192.168.1.2", "db": "10.0.0.5"]
        let flow = FlowTuple(
            protocol: 6, source: try #require(addresses[from]), sourcePort: 40_000,
            destination: try #require(addresses[to]), destinationPort: 5432)
        var evidence = Evidence()
        evidence.endpoints = [
            Endpoint(
                id: "default/a", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.2", port: 5432,
                labels: [:]),
            Endpoint(
                id: "db", kind: .vpcHost, node: nil, namespace: nil, address: "10.0.0.5", port: 5432, labels: [:]),
        ]
        evidence.probes = [
            ProbeReading(
                key: CellKey(from: from, to: to, protocol: .tcp, port: 5432), observed: .timeout, flow: flow,
                requestArrived: false, sent: 1, answered: 0)
        ]
        evidence.flowLog = [
            FlowLogReading(node: "node1", interfaceID: "eni-1", accepted: false, flow: flow, packets: 3)
        ]
        let found = Diagnosis.examine(evidence)
        #expect(found.map(\.id) == ["cloud/security-group-rejected"])
        return try #require(found.first)
    }

    @Test func `what its own node's group rejects lacks an egress rule`() throws {
        let finding = try finding(from: "default/a", to: "db")
        #expect(finding.fix.contains("an egress rule"))
        #expect(finding.evidence.first?.hasPrefix("flow log of node1: REJECT egress ") == true)
        #expect(finding.summary == "the security groups of node1 let no such packets out")
    }

    @Test func `what the receiver's group rejects lacks an ingress rule`() throws {
        let finding = try finding(from: "db", to: "default/a")
        #expect(finding.fix.contains("an ingress rule"))
        #expect(finding.evidence.first?.hasPrefix("flow log of node1: REJECT ingress ") == true)
        #expect(finding.summary == "the security groups of node1 let no such packets in")
    }
}
