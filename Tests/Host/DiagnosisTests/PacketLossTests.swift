import Diagnosis
import Testing

@Suite struct PacketLossTests {
    /// Every probe to or from a node loses some of its packets.
    private func evidence(lossyAt node: String, impairment: String?) -> Evidence {
        var lab = ThreeNodeLab()
        if let impairment { lab.impairments[node] = [impairment] }
        var evidence = lab.evidence()
        for index in evidence.probes.indices {
            let key = evidence.probes[index].key
            guard key.from.hasSuffix(node) || key.to.hasSuffix(node) else { continue }
            evidence.probes[index].observed = .loss(percent: 30)
            evidence.probes[index].sent = 10
            evidence.probes[index].answered = 7
        }
        return evidence
    }

    @Test func `the node on one side of every lossy probe is named`() throws {
        let finding = try #require(Diagnosis.examine(evidence(lossyAt: "node2", impairment: nil)).first)
        #expect(finding.id == "underlay/packet-loss")
        #expect(finding.summary == "packets are lost at node2")
        #expect(finding.evidence.contains("every lossy probe has node2 on one side"))
    }

    @Test func `a queueing discipline that loses packets is named, and raises the confidence`() throws {
        let quiet = try #require(Diagnosis.examine(evidence(lossyAt: "node2", impairment: nil)).first)
        let netem = try #require(Diagnosis.examine(evidence(lossyAt: "node2", impairment: "netem loss 30%")).first)
        #expect(netem.evidence.joined().contains("node2 has netem loss 30%"))
        #expect(netem.confidence > quiet.confidence)
    }

    @Test(arguments: [
        ("eth0 netem delay 0us jitter 0us loss 20% corrupt 0% duplicate 0% reorder 0%", true),
        ("eth0 netem delay 0us jitter 0us loss 0% corrupt 0.5% duplicate 0% reorder 0%", true),
        ("eth0 netem delay 50000us jitter 0us loss 0% corrupt 0% duplicate 10% reorder 0%", false),
    ])
    func `silence at a node that loses packets by its own word is accounted for`(line: String, loses: Bool) throws {
        var lab = ThreeNodeLab()
        lab.impairments["node2"] = [line]
        var evidence = lab.evidence()
        let index = try #require(
            evidence.probes.firstIndex { $0.key.from == "default/node1" && $0.key.to == "default/node2" })
        let other = try #require(
            evidence.probes.firstIndex { $0.key.from == "default/node1" && $0.key.to == "default/node3" })
        for probe in [index, other] { evidence.probes[probe].observed = .timeout }
        let account = Diagnosis.account(for: evidence)
        #expect(account.unexplained.contains(evidence.probes[other].key))
        #expect(account.unexplained.contains(evidence.probes[index].key) != loses)
        let finding = account.findings.first { $0.id == "underlay/packet-loss" }
        #expect((finding != nil) == loses)
        #expect(finding.map { $0.summary == "packets are lost at node2" } ?? true)
    }

    @Test func `a loss that no queueing discipline explains rests on silence`() {
        let quiet = evidence(lossyAt: "node2", impairment: nil)
        let lossy = Set(quiet.probes.filter { $0.observed != .open }.map(\.key))
        #expect(Diagnosis.account(for: quiet).silent == ["underlay/packet-loss": lossy])
        let netem = evidence(lossyAt: "node2", impairment: "eth0 netem loss 30%")
        #expect(Diagnosis.account(for: netem).silent.isEmpty)
    }

    @Test func `what is unknown rests on silence if no failing cell was answered`() {
        var evidence = ThreeNodeLab().evidence()
        evidence.probes[0].observed = .timeout
        evidence.probes[1].observed = .notMeasured
        #expect(Diagnosis.account(for: evidence).silent == ["unknown": Set(evidence.probes[0...1].map(\.key))])
        evidence.probes[1].observed = .refused
        let account = Diagnosis.account(for: evidence)
        #expect(account.findings.map(\.id) == ["unknown"])
        #expect(account.silent.isEmpty)
    }

    @Test func `nothing is lost where everything is open`() {
        #expect(Diagnosis.examine(ThreeNodeLab().evidence()).isEmpty)
    }
}
