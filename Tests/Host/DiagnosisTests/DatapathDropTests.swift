import Diagnosis
import Readings
import Testing

@Suite struct DatapathDropTests {
    /// A probe from the pod on node1 to the one on node3 timed out, and node3 dropped the answer.
    private func evidence(dropped: Bool, reason: String = "no-tunnel-endpoint") throws -> (Evidence, CellKey) {
        var evidence = ThreeNodeLab().evidence()
        let index = try #require(
            evidence.probes.firstIndex { $0.key.from == "default/node1" && $0.key.to == "default/node3" })
        evidence.probes[index].observed = .timeout
        evidence.probes[index].answered = 0
        let flow = try #require(evidence.probes[index].flow)
        if dropped {
            evidence.datapath.append(
                PacketEvent(
                    node: "node3", hook: .fromEndpoint,
                    drop: PacketDrop(DropReason(rawValue: reason), location: "lxc.bpf.c:42"), flow: flow.reversed))
        }
        return (evidence, evidence.probes[index].key)
    }

    @Test func `a drop names its reason and its place`() throws {
        let (evidence, _) = try evidence(dropped: true)
        let account = Diagnosis.account(for: evidence)
        let finding = try #require(account.findings.first)
        #expect(finding.id == "datapath/drop")
        #expect(finding.summary.contains("no-tunnel-endpoint"))
        #expect(finding.evidence.joined().contains("node3 lxc.bpf.c:42"))
        #expect(account.unexplained.isEmpty)
    }

    @Test func `silence without a drop stays unexplained`() throws {
        let (evidence, key) = try evidence(dropped: false)
        let account = Diagnosis.account(for: evidence)
        #expect(account.findings.map(\.id) == ["unknown"])
        #expect(account.unexplained == [key])
    }

    @Test func `a drop of another flow explains nothing`() throws {
        var (evidence, key) = try evidence(dropped: true)
        evidence.datapath[evidence.datapath.count - 1].flow.sourcePort += 1
        #expect(Diagnosis.account(for: evidence).unexplained == [key])
    }

    @Test func `a policy with several rules is named once`() throws {
        var (evidence, _) = try evidence(dropped: true, reason: "policy-denied-egress")
        let event = evidence.datapath.removeLast()
        let policies = ["CiliumNetworkPolicy default/web", "NetworkPolicy default/all"]
        for rule in ["\(policies[0]) egress[1]", "\(policies[0]) egress[0]", policies.joined(separator: ", ")] {
            var next = event
            next.rule = rule
            evidence.datapath.append(next)
        }
        let finding = try #require(Diagnosis.account(for: evidence).findings.first)
        let words = "\(policies[0]) (egress[0], egress[1]) and \(policies[1])"
        #expect(finding.summary.hasSuffix(": \(words)") && finding.fix.hasSuffix(": \(words)"))
        #expect(finding.evidence.contains("decided by \(words)"))
    }

    @Test(
        "policies' drops are policy's, and name the rule",
        arguments: [
            ("policy-denied-ingress", "policy/not-allowed", "ingress rule"),
            ("policy-denied-egress", "policy/not-allowed", "egress rule"),
            ("policy-deny-rule", "policy/deny-rule", "deny rule"),
            ("policy-denied-request", "policy/request-not-allowed", "no HTTP rule matches the request"),
            ("policy-denied-name", "policy/name-not-allowed", "no DNS rule matches the name"),
        ])
    func policy(reason: String, id: String, words: String) throws {
        var (evidence, _) = try evidence(dropped: true, reason: reason)
        evidence.datapath[evidence.datapath.count - 1].rule = "CiliumNetworkPolicy default/web ingress[0]"
        let account = Diagnosis.account(for: evidence)
        #expect(account.findings.map(\.id) == [id])
        let finding = try #require(account.findings.first)
        #expect(finding.summary.contains("default/node1 → default/node3") && finding.summary.contains(words))
        #expect(finding.fix.contains("CiliumNetworkPolicy default/web ingress[0]"))
        #expect(finding.evidence.contains { $0.contains("node3 lxc.bpf.c:42") })
    }
}
