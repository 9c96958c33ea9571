import Readings
import Testing

@testable import Diagnosis

/// Both ends are on one node. The event's direction shows which end's program dropped the packet.
@Suite struct SameNodePathTests {
    private let flow = FlowTuple(
        protocol: 6, source: "192.168.1.2", sourcePort: 40_000, destination: "192.168.1.3", destinationPort: 8080)

    private func why(_ events: [PacketEvent], gap: String? = nil) -> [WhyEntry] {
        var evidence = Evidence(
            endpoints: ["2", "3"].map {
                Endpoint(
                    id: "default/\($0)", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.\($0)",
                    port: 8080, labels: [:])
            },
            probes: [
                ProbeReading(
                    key: CellKey(from: "default/2", to: "default/3", protocol: .tcp, port: 8080), observed: .timeout,
                    flow: flow, requestArrived: false, sent: 1, answered: 0)
            ])
        evidence.datapath = events
        evidence.traceGaps["node1"] = gap
        return PathIndex(evidence).why(evidence.probes[0]).filter { $0.hop.hasSuffix("datapath") }
    }

    private func event(
        _ hook: PacketHook, _ direction: PacketDirection?, drop: DropReason? = nil
    ) -> PacketEvent {
        PacketEvent(node: "node1", hook: hook, direction: direction, drop: drop.map { PacketDrop($0) }, flow: flow)
    }

    @Test func `a drop towards the endpoint is the receiver's`() {
        let entries = why([
            event(.fromEndpoint, .egress), event(.fromEndpoint, .ingress, drop: .policyDeniedIngress),
        ])
        #expect(entries.map(\.hop) == ["sender-datapath", "receiver-datapath"])
        #expect(entries.map(\.detail) == ["request traced from-endpoint", "request dropped: policy-denied-ingress"])
    }

    @Test(arguments: [PacketDirection.egress, nil])
    func `any other drop is the sender's`(_ direction: PacketDirection?) {
        let entries = why([event(.fromEndpoint, direction, drop: .policyDeniedEgress)])
        #expect(entries.map(\.hop) == ["sender-datapath"])
    }

    @Test func `no event is no entry`() { #expect(why([]).isEmpty) }

    @Test func `where traces are switched off, the chain says so unless there is a drop`() {
        let gap = "traces are switched off on node1"
        let entries = why([], gap: gap)
        #expect(entries.map(\.hop) == ["sender-datapath"])
        #expect(entries.map(\.seen) == [nil])
        #expect(entries.first?.detail.hasSuffix(gap) == true)
        let drop = event(.fromEndpoint, .ingress, drop: .policyDeniedIngress)
        #expect(why([drop], gap: gap).map(\.detail) == ["request dropped: policy-denied-ingress"])
    }
}
