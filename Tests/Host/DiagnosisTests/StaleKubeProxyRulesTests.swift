import Diagnosis
import Readings
import Testing

@Suite struct StaleKubeProxyRulesTests {
    private static let invalid = NetfilterRuleReading(
        table: "filter", chain: "KUBE-FORWARD", rule: "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        target: "DROP", destination: nil, comment: nil, grew: 3)
    private static let endpoint = NetfilterRuleReading(
        table: "nat", chain: "KUBE-SEP-SXIVWICOYRO3J4NJ",
        rule: "-A KUBE-SEP-SXIVWICOYRO3J4NJ -p tcp -j DNAT --to-destination 192.168.1.99:8080", target: "DNAT",
        destination: "192.168.1.99:8080", comment: "default/web:http", grew: 1)

    /// The pod on node2 calls the service and gets no answer.
    private func evidence(
        _ rules: [NetfilterRuleReading]?, runs: Bool? = false, backends: Set<String>? = ["192.168.1.10"],
        protocol proto: ProbeProtocol = .tcp
    ) -> Evidence {
        var evidence = ThreeNodeLab().evidence()
        evidence.endpoints.append(
            Endpoint(
                id: "service/default/web:http", kind: .service, node: nil, namespace: "default", address: "10.247.0.1",
                port: 443, labels: ["kubernetes.io/service-name": "web"], protocol: proto))
        evidence.probes.append(
            ProbeReading(
                key: CellKey(from: "default/node2", to: "service/default/web:http", protocol: proto, port: 443),
                observed: .timeout,
                flow: FlowTuple(
                    protocol: proto == .tcp ? 6 : 17, source: "192.168.2.10", sourcePort: 41_000,
                    destination: "10.247.0.1", destinationPort: 443), requestArrived: false, sent: 1, answered: 0))
        evidence.nodes[1].kubeProxyRules = rules
        evidence.nodes[1].kubeProxyRuns = runs
        evidence.serviceBackends = backends.map { ["default/web": $0] } ?? [:]
        return evidence
    }

    @Test func `the rule that drops half a connection is named with its counter`() throws {
        let finding = try #require(Diagnosis.examine(evidence([Self.invalid])).first)
        #expect(finding.id == "services/stale-kube-proxy-rules")
        let text = finding.evidence.joined(separator: "\n")
        #expect(
            text.contains("node2: filter: -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP: matched 3 packets"))
        #expect(text.contains("no kube-proxy runs on node2"))
        #expect(finding.fix.contains("bpf.masquerade: true"))
    }

    @Test func `a backend that is not there is named`() throws {
        let finding = try #require(Diagnosis.examine(evidence([Self.endpoint])).first)
        #expect(finding.id == "services/stale-kube-proxy-rules")
        #expect(finding.evidence.joined().contains("192.168.1.99:8080"))
    }

    @Test func `what did not match, or is right, explains nothing`() {
        var quiet = Self.invalid
        quiet.grew = 0
        var unknown = Self.endpoint
        unknown.grew = nil
        var other = Self.endpoint
        other.comment = "default/api:http"
        for some in [
            evidence([quiet]), evidence([unknown]), evidence([other]), evidence(nil), evidence([]),
            evidence([Self.endpoint], backends: ["192.168.1.99"]), evidence([Self.endpoint], backends: nil),
            evidence([Self.invalid], protocol: .udp),
        ] {
            #expect(Diagnosis.examine(some).map(\.id) == ["unknown"])
        }
    }
}
