import Readings
import Testing

@testable import Diagnosis

@Suite struct InterfaceAddressesTests {
    private static let limit = "instance type t3.small allows 3 network interfaces of 4 addresses each"

    private func evidence(
        inUse: Int = 9, limit: String? = Self.limit, reason: String? = "no free address: 9 in use, and \(Self.limit)"
    ) -> Evidence {
        var node = NodeReading(
            name: "node1", address: "10.0.0.11", podCIDR: "", tunnelPort: nil, power: .running, answers: true,
            carrier: true, agentRunning: true, impairments: [])
        node.interfaceAddresses = .init(
            instanceType: "t3.small", interfaces: 3, inUse: inUse, total: 9, limit: limit)
        var evidence = Evidence(nodes: [node])
        evidence.pods = [
            PodReading(id: "default/echo-1", node: "node1", labels: [:], reason: nil),
            PodReading(id: "default/echo-2", node: "node1", labels: [:], reason: reason),
        ]
        return evidence
    }

    @Test func waitingPodsOfAFullNodeHaveTheirCause() {
        let findings = Diagnosis.examine(evidence())
        #expect(findings.map(\.id) == ["ipam/eni-addresses-exhausted"])
        #expect(findings[0].evidence.contains { $0.contains("9 of 9 addresses") && $0.contains("t3.small") })
        #expect(findings[0].evidence.contains { $0.contains("default/echo-2") && !$0.contains("echo-1") })
    }

    @Test func oneWitnessAloneProvesNothing() {
        #expect(Diagnosis.examine(evidence(inUse: 8)).isEmpty)
        #expect(Diagnosis.examine(evidence(limit: nil)).isEmpty)
        #expect(Diagnosis.examine(evidence(reason: nil)).isEmpty)
        #expect(Diagnosis.examine(evidence(reason: "no networks found")).isEmpty)
    }
}

@Suite struct SecurityGroupRejectedTests {
    private func evidence(from: Endpoint, source: String, port: UInt16, accepted: Bool) -> Evidence {
        let to = Endpoint(
            id: "node/node1", kind: .node, node: "node1", namespace: nil, address: "10.0.0.11", port: 30080, labels: [:]
        )
        let flow = FlowTuple(
            protocol: 6, source: from.address, sourcePort: 4000, destination: to.address, destinationPort: 30080)
        let logged = FlowTuple(
            protocol: 6, source: source, sourcePort: port, destination: to.address, destinationPort: 30080)
        return Evidence(
            endpoints: [from, to],
            probes: [
                ProbeReading(
                    key: CellKey(from: from.id, to: to.id, protocol: .tcp, port: 30080), observed: .timeout, flow: flow,
                    requestArrived: false, sent: 1, answered: 0)
            ],
            flowLog: [
                FlowLogReading(node: "node1", interfaceID: "eni-1", accepted: accepted, flow: logged, packets: 1)
            ])
    }

    private func endpoint(_ address: String, _ kind: EndpointKind) -> Endpoint {
        Endpoint(id: "x/\(address)", kind: kind, node: nil, namespace: nil, address: address, port: 7, labels: [:])
    }

    @Test func theFlowLogsOwnRecordOfTheProbeIsNeeded() {
        let outside = endpoint("203.0.113.10", .internet)
        func first(_ evidence: Evidence) -> String? { Diagnosis.examine(evidence).first?.id }
        let id = "cloud/security-group-rejected"
        #expect(first(evidence(from: outside, source: "203.0.113.10", port: 4000, accepted: false)) == id)
        #expect(first(evidence(from: outside, source: "203.0.113.10", port: 4000, accepted: true)) != id)
        #expect(first(evidence(from: outside, source: "203.0.113.10", port: 4001, accepted: false)) != id)
        #expect(first(evidence(from: outside, source: "10.0.0.12", port: 4000, accepted: false)) != id)
    }
}
