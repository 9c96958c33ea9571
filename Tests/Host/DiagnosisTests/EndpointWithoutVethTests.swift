import Readings
import Testing

@testable import Diagnosis

@Suite struct EndpointWithoutVethTests {
    private static let service = Endpoint(
        id: "default/web", kind: .service, node: nil, namespace: "default", address: "10.247.0.80", port: 80,
        labels: [:])
    private static let pod = Endpoint(
        id: "default/client", kind: .pod, node: "node1", namespace: "default", address: "10.2.128.40", port: 8080,
        labels: [:])
    private static let flow = FlowTuple(
        protocol: 6, source: "10.2.128.40", sourcePort: 4000, destination: "10.247.0.80", destinationPort: 80)

    private func evidence(
        ifindex: Int = 0, interface: String? = "eth0", kind: String? = nil, seen: Bool = false, failing: Bool = true
    ) -> Evidence {
        var node = NodeReading(
            name: "node1", address: "10.2.128.11", podCIDR: "10.100.1.0/24", tunnelPort: nil, power: .running,
            answers: true, carrier: true, agentRunning: true, impairments: [])
        node.unseenEndpoints = [
            .init(
                pod: Self.pod.id, endpointID: 7, address: Self.pod.address, ifindex: ifindex, mac: "00:00:00:00:00:00",
                interface: interface, kind: kind, interfaceMAC: "02:4c:53:00:00:01")
        ]
        var evidence = Evidence(
            nodes: [node], endpoints: [Self.pod, Self.service],
            probes: [
                ProbeReading(
                    key: CellKey(from: Self.pod.id, to: Self.service.id, protocol: .tcp, port: 80),
                    observed: failing ? .timeout : .open, flow: Self.flow, requestArrived: false, sent: 1, answered: 0)
            ])
        if seen {
            evidence.datapath = [
                PacketEvent(node: "node1", hook: .fromEndpoint, flow: Self.flow)
            ]
        }
        return evidence
    }

    @Test func anEndpointWithoutAnInterfaceAndACardInItsPodAreTheCause() {
        let findings = Diagnosis.examine(evidence())
        #expect(findings.map(\.id) == ["datapath/endpoint-without-veth"])
        #expect(
            findings[0].evidence.contains { $0.contains("ifindex=0 mac=00:00:00:00:00:00") && $0.contains("a card") })
        #expect(findings[0].evidence.contains { $0.contains("default/web") })
    }

    @Test func itIsEvidentWithoutAFailingCall() {
        #expect(Diagnosis.examine(evidence(failing: false)).map(\.id) == ["datapath/endpoint-without-veth"])
    }

    @Test func oneWitnessAloneProvesNothing() {
        let id = "datapath/endpoint-without-veth"
        #expect(!Diagnosis.examine(evidence(ifindex: 12)).map(\.id).contains(id))
        #expect(!Diagnosis.examine(evidence(interface: nil)).map(\.id).contains(id))
        #expect(!Diagnosis.examine(evidence(kind: "veth")).map(\.id).contains(id))
        #expect(Diagnosis.examine(evidence(kind: "ipvlan")).map(\.id) == [id])
    }

    @Test func aCallThatAProgramSawIsNotPutDownToIt() {
        let findings = Diagnosis.examine(evidence(seen: true))
        #expect(findings.map(\.id).contains("unknown"))
        #expect(!findings.flatMap(\.evidence).contains { $0.contains("no program reported") })
    }

    @Test func `a call that a program may have seen is not put down to it`() {
        func explains(_ change: (inout Evidence) -> Void) -> Bool {
            var evidence = evidence()
            change(&evidence)
            return Diagnosis.account(for: evidence).unexplained.isEmpty
        }
        #expect(explains { _ in })
        #expect(explains { $0.tracedAddresses = [Self.pod.address] })
        #expect(explains { $0.traceGaps["node2"] = "the agent could not be asked" })
        #expect(!explains { $0.tracedAddresses = ["10.2.128.41"] })
        #expect(!explains { $0.traceGaps["node1"] = "more than 20000 events" })
        #expect(!explains { $0.traceGaps["node1"] = "traces are switched off on node1" })
        #expect(!explains { $0.datapathGaps["node1"] = "the agent could not be asked" })
    }
}
