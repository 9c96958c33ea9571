import Diagnosis
import Testing

@Suite struct VXLANPortBlockedTests {
    @Test func `a healthy lab needs no diagnosis`() {
        #expect(Diagnosis.examine(ThreeNodeLab().evidence()).isEmpty)
    }

    @Test func `blocked everywhere names group, port and direction`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "underlay/vxlan-port-blocked")
        #expect(finding.summary == "security group nodes blocks UDP 8472 (VXLAN) ingress at every node")
        #expect(finding.fix.contains("allow UDP 8472 ingress"))
        #expect(finding.evidence.contains { $0.contains("REJECT") })
        #expect(finding.confidence > 0.9)
    }

    /// The captures show that the packets left, so the cause is named without a trace, and nothing claims a trace.
    @Test func `traces that are switched off are not read as packets that were not seen`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        var evidence = lab.evidence()
        evidence.datapath = []
        for node in lab.nodes { evidence.traceGaps[node] = "traces are switched off on \(node)" }
        let finding = try #require(Diagnosis.examine(evidence).first)
        #expect(finding.id == "underlay/vxlan-port-blocked")
        #expect(finding.evidence.contains { $0.contains("traces are switched off on node1") })
        #expect(!finding.evidence.contains { $0.contains("so the datapath sent them") })
        let paths = PathIndex(evidence)
        let failing = try #require(paths.failing.first)
        let entries = paths.why(evidence.probes[failing])
        #expect(
            entries.contains { $0.hop == "sender-datapath" && $0.seen == nil && $0.detail.contains("switched off") })
    }

    @Test func `a node that does not run is not said to have passed anything untold`() throws {
        var lab = ThreeNodeLab()
        lab.power["node1"] = .stopped
        var evidence = lab.evidence()
        evidence.traceGaps["node1"] = "the agent could not be asked"
        let paths = PathIndex(evidence)
        #expect(!paths.failing.isEmpty)
        #expect(!paths.failing.flatMap { paths.why(evidence.probes[$0]) }.contains { $0.detail.contains("untold") })
    }

    @Test func `blocked at one node names that node`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { $1 != "node2" }
        let findings = Diagnosis.examine(lab.evidence())
        #expect(findings.map(\.id) == ["underlay/vxlan-port-blocked"])
        #expect(try #require(findings.first).summary.hasSuffix("ingress at only node2"))
    }

    @Test func `blocked from one node to another names both`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { from, to in from != "node1" || to != "node2" }
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.summary.hasSuffix("ingress at only node2 from node1"))
    }

    @Test func `a Geneve tunnel is called so`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        lab.tunnelPort = 6081
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.summary == "security group nodes blocks UDP 6081 (Geneve) ingress at every node")
        #expect(finding.evidence.first?.hasPrefix("Geneve leaves the taps of") == true)
    }

    @Test func `groups that allow the port are not told to allow it`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        lab.rejects = false
        lab.rulesAllowTunnel = true
        var evidence = lab.evidence()
        let finding = try #require(Diagnosis.examine(evidence).first)
        #expect(finding.summary.hasPrefix("something between the nodes blocks UDP 8472"))
        #expect(finding.fix.hasPrefix("let UDP 8472 pass between the nodes: their security groups allow it"))
        // What was not read allows nothing.
        evidence.securityGroups = []
        let unread = try #require(Diagnosis.examine(evidence).first)
        #expect(unread.fix.hasPrefix("let UDP 8472 pass between the nodes: look at their security groups"))
    }

    @Test func `blocked on the way out is egress`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { from, _ in from != "node3" }
        lab.guardedEgress = true
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.summary.contains("egress at only node3"))
    }

    @Test func `without a REJECT the open underlay still speaks, with less confidence`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        lab.rejects = false
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "underlay/vxlan-port-blocked")
        #expect(finding.confidence < 0.8)
    }

    @Test func `an underlay that passes nothing is not the tunnel's port`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        lab.underlayPasses = { _, _ in false }
        lab.rejects = false
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "unknown")
        #expect(finding.summary.contains("last hop that saw the packets"))
    }

    @Test(arguments: [(NodeReading.Power.stopped, "node/crashed"), (.paused, "node/paused")])
    func `a node that does not run is not a blocked port`(_ power: NodeReading.Power, _ id: String) throws {
        var lab = ThreeNodeLab()
        lab.power["node2"] = power
        lab.tunnelPasses = { from, to in from != "node2" && to != "node2" }
        lab.rejects = false
        let findings = Diagnosis.examine(lab.evidence())
        #expect(findings.first?.id == id)
        #expect(!findings.contains { $0.id == "underlay/vxlan-port-blocked" })
    }

    @Test func `a lost carrier is named`() throws {
        var lab = ThreeNodeLab()
        lab.carrier["node1"] = false
        lab.tunnelPasses = { from, to in from != "node1" && to != "node1" }
        lab.rejects = false
        let finding = try #require(Diagnosis.examine(lab.evidence()).first)
        #expect(finding.id == "underlay/link-down")
        #expect(finding.summary.contains("node1"))
    }
}

@Suite struct WhyChainTests {
    @Test func `a request that is blocked ends at the sender's tap`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, _ in false }
        let evidence = lab.evidence()
        let probe = try #require(evidence.probes.first)
        let why = PathIndex(evidence).why(probe)
        #expect(why.map(\.hop) == ["probe", "sender-datapath", "sender-tap", "fabric", "receiver-tap", "receiver"])
        #expect(why.map(\.seen) == [true, true, true, true, false, false])
        #expect(why[3].detail.contains("REJECT ingress"))
    }

    @Test func `an answer that is blocked shows both legs`() throws {
        var lab = ThreeNodeLab()
        lab.tunnelPasses = { _, to in to != "node1" }
        let evidence = lab.evidence()
        let probe = try #require(evidence.probes.first { $0.key.from == "default/node1" })
        let why = PathIndex(evidence).why(probe)
        #expect(why.contains { $0.hop == "receiver" && $0.seen == true })
        #expect(why.last?.hop == "receiver-tap")
        #expect(why.last?.seen == false)
    }
}
