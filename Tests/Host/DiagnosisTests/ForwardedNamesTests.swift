import Diagnosis
import Readings
import Testing

/// A client on one node, a DNS server's pod on another behind a service, and the VPC's resolver.
private struct NameLab {
    enum Link { case none, datapath, tunnel }
    /// The evidence that shows which pod received the query.
    var link = Link.datapath
    var serverSource = "192.168.2.20"
    var serverIsAnswered = false
    var askedPort: UInt16 = 53
    var observed = Outcome.timeout
    var isDirect = false

    private static let client = "192.168.1.10"
    private static let server = "192.168.2.20"

    private func udp(_ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16 = 53) -> FlowTuple {
        FlowTuple(protocol: 17, source: source, sourcePort: sourcePort, destination: destination, destinationPort: port)
    }

    func findings() -> [Finding] {
        let target = isDirect ? "kube-system/coredns" : "service/kube-system/kube-dns:dns"
        let asked = udp(Self.client, 40_001, isDirect ? Self.server : "10.100.0.10")
        let translated = udp(Self.client, 40_001, Self.server)
        var evidence = Evidence()
        evidence.nodes = [1, 2].map {
            NodeReading(
                name: "node\($0)", address: "10.0.0.1\($0)", podCIDR: "192.168.\($0).0/24", tunnelPort: 8472,
                power: .running, answers: true, carrier: true, agentRunning: true, impairments: [],
                datapathDevices: ["eth0"])
        }
        evidence.endpoints = [
            Endpoint(
                id: "default/client", kind: .pod, node: "node1", namespace: "default", address: Self.client, port: 8080,
                labels: [:]),
            Endpoint(
                id: "kube-system/coredns", kind: .pod, node: "node2", namespace: "kube-system", address: Self.server,
                port: 8080, labels: [:]),
            Endpoint(
                id: "service/kube-system/kube-dns:dns", kind: .service, node: nil, namespace: "kube-system",
                address: "10.100.0.10", port: 53, labels: [:], protocol: .udp),
        ]
        evidence.probes = [
            ProbeReading(
                key: CellKey(from: "default/client", to: target, protocol: .dns, port: 53, request: "outside"),
                observed: observed, flow: asked, requestArrived: nil, sent: 3, answered: 0)
        ]
        let question = udp(serverSource, 33_507, "10.0.0.2", askedPort)
        evidence.wire = [TapPacket(node: "node2", fromNode: true, outer: question, vni: nil, inner: nil)]
        if serverIsAnswered {
            evidence.wire.append(
                TapPacket(node: "node2", fromNode: false, outer: question.reversed, vni: nil, inner: nil))
        }
        switch link {
        case .none: break
        case .datapath:
            evidence.datapath = [
                PacketEvent(node: "node2", hook: .toEndpoint, flow: translated)
            ]
        case .tunnel:
            evidence.wire.append(
                TapPacket(
                    node: "node2", fromNode: false, outer: udp("10.0.0.11", 50_000, "10.0.0.12", 8472), vni: 300,
                    inner: translated))
        }
        return Diagnosis.examine(evidence)
    }
}

@Suite struct ForwardedNamesTests {
    @Test(arguments: [false, true])
    func `a query to a server whose own question is not answered is missing SNAT`(_ tunnel: Bool) throws {
        var lab = NameLab()
        lab.link = tunnel ? .tunnel : .datapath
        let finding = try #require(lab.findings().first)
        #expect(finding.id == "egress/missing-snat")
        #expect(finding.summary.contains("node2") && finding.summary.contains("10.0.0.2"))
        #expect(finding.evidence.contains { $0.contains("kube-system/coredns") && $0.contains("192.168.2.20:33507") })
    }

    @Test func `a query to the pod itself needs no other evidence of who took it`() {
        var lab = NameLab()
        lab.link = .none
        lab.isDirect = true
        #expect(lab.findings().map(\.id) == ["egress/missing-snat"])
    }

    @Test func `without evidence of who took the query nobody is blamed`() {
        var lab = NameLab()
        lab.link = .none
        #expect(lab.findings().map(\.id) == ["unknown"])
    }

    @Test func `a server that asks under its node's address is not to blame`() {
        var lab = NameLab()
        lab.serverSource = "10.0.0.12"
        #expect(lab.findings().map(\.id) == ["unknown"])
    }

    @Test func `nor is one that got its answer, or asked for something else`() {
        var lab = NameLab()
        lab.serverIsAnswered = true
        #expect(lab.findings().map(\.id) == ["unknown"])
        lab.serverIsAnswered = false
        lab.askedPort = 443
        #expect(lab.findings().map(\.id) == ["unknown"])
    }

    @Test func `an answer that says no is no loss`() {
        var lab = NameLab()
        lab.observed = .dnsFailure(code: 3)
        #expect(lab.findings().map(\.id) == ["unknown"])
    }
}
