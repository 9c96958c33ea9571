import Diagnosis
import Readings
import Testing

/// Evidence of a node with two interfaces, a pod, and a host outside the cluster.
private struct EgressLab {
    /// The source of the pod's packets on the wire, or nil if none leaves.
    var wireSource: String? = "192.168.1.10"
    var interface: String?
    var devices: [String]? = ["eth0"]
    var podIsAnswered = false
    var nodeIsAnswered = true
    var podCIDR = "192.168.1.0/24"
    var isComplete = true
    var encapsulated = false

    func evidence() -> Evidence {
        let question = FlowTuple(
            protocol: 17, source: "192.168.1.10", sourcePort: 40_853, destination: "10.0.0.2", destinationPort: 53)
        var evidence = Evidence(recordingIsComplete: isComplete)
        evidence.nodes = [
            NodeReading(
                name: "node1", address: "10.0.0.11", podCIDR: podCIDR, tunnelPort: 8472, power: .running, answers: true,
                carrier: true, agentRunning: true, impairments: [], datapathDevices: devices)
        ]
        evidence.endpoints = [
            Endpoint(
                id: "default/client", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.10",
                port: 8080, labels: [:]),
            Endpoint(
                id: "node/node1", kind: .node, node: "node1", namespace: nil, address: "10.0.0.11", port: 30_080,
                labels: [:]),
            Endpoint(
                id: "vpc/dns", kind: .vpcDNS, node: nil, namespace: nil, address: "10.0.0.2", port: 53, labels: [:]),
        ]
        evidence.probes = [
            ProbeReading(
                key: CellKey(from: "default/client", to: "vpc/dns", protocol: .udp, port: 53),
                observed: podIsAnswered ? .open : .timeout, flow: question, requestArrived: nil, sent: 3,
                answered: podIsAnswered ? 3 : 0),
            ProbeReading(
                key: CellKey(from: "node/node1", to: "vpc/dns", protocol: .udp, port: 53),
                observed: nodeIsAnswered ? .open : .timeout, flow: nil, requestArrived: nil, sent: 3, answered: 3),
        ]
        if let wireSource {
            let flow = FlowTuple(
                protocol: 17, source: wireSource, sourcePort: 40_853, destination: "10.0.0.2", destinationPort: 53)
            let tunnel = FlowTuple(
                protocol: 17, source: "10.0.0.11", sourcePort: 50_000, destination: "10.0.0.12", destinationPort: 8472)
            evidence.wire = [
                TapPacket(
                    node: "node1", fromNode: true, outer: encapsulated ? tunnel : flow, vni: encapsulated ? 256 : nil,
                    inner: encapsulated ? flow : nil, interface: interface)
            ]
            if podIsAnswered {
                evidence.wire.append(
                    TapPacket(
                        node: "node1", fromNode: false, outer: flow.reversed, vni: nil, inner: nil,
                        interface: interface))
            }
        }
        return evidence
    }

    var ids: [String] { Diagnosis.examine(evidence()).map(\.id) }
}

@Suite struct EgressSourceTests {
    @Test func `a pod's own source without an answer is missing SNAT, and named`() throws {
        let finding = try #require(Diagnosis.examine(EgressLab().evidence()).first)
        #expect(finding.id == "egress/missing-snat")
        #expect(finding.evidence.contains { $0.contains("192.168.1.10 → 10.0.0.2") })
        #expect(finding.evidence.contains { $0.contains("node/node1 → vpc/dns open") })
        #expect(finding.summary.contains("10.0.0.2"))
        #expect(finding.fix.contains("bpf.masquerade: true"))
        #expect(finding.confidence > 0.9)
    }

    @Test func `a node's source is not missing SNAT, whatever fails`() {
        var lab = EgressLab()
        lab.wireSource = "10.0.0.11"
        #expect(lab.ids == ["unknown"])
    }

    @Test func `a packet that never left says nothing of its source`() {
        var lab = EgressLab()
        lab.wireSource = nil
        #expect(lab.ids == ["unknown"])
    }

    @Test func `in the tunnel the pod's source is right`() {
        var lab = EgressLab()
        lab.encapsulated = true
        #expect(lab.ids == ["unknown"])
    }

    @Test func `an answered pod needs no diagnosis`() {
        var lab = EgressLab()
        lab.podIsAnswered = true
        #expect(lab.ids.isEmpty)
    }

    @Test func `an address outside the range of pods is no pod's source`() {
        var lab = EgressLab()
        lab.podCIDR = "192.168.7.0/24"
        #expect(lab.ids == ["unknown"])
    }

    @Test(arguments: ["", "192.168.1.0", "192.168.1.0/33", "192.168.1.x/24", "1.2.3.4.5/8"])
    func `a range that cannot be read proves nothing`(_ range: String) {
        var lab = EgressLab()
        lab.podCIDR = range
        #expect(lab.ids == ["unknown"])
    }

    @Test func `packets that captures may have missed weaken it`() throws {
        var lab = EgressLab()
        lab.isComplete = false
        lab.nodeIsAnswered = true
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "egress/missing-snat" && finding.confidence < 0.7)
    }

    @Test func `an interface without a program, beside one with, is not listed`() throws {
        var lab = EgressLab()
        lab.interface = "eth1"
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "egress/device-not-listed")
        #expect(finding.summary.contains("eth1"))
        #expect(finding.evidence.contains { $0.contains("hang on eth0") })
        #expect(finding.fix == "add eth1 to devices")
    }

    @Test(arguments: [nil, [], ["eth0", "eth1"]] as [[String]?])
    func `without a reading of the programs, or with one there, it is missing SNAT`(_ devices: [String]?) {
        var lab = EgressLab()
        lab.interface = "eth1"
        lab.devices = devices
        #expect(lab.ids.first == "egress/missing-snat")
    }
}
