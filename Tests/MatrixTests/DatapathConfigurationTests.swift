import Matrix
import Testing

@Suite struct DatapathConfigurationTests {
    private func config(_ name: String) throws -> DatapathConfiguration {
        try #require(DatapathConfiguration.all.first { $0.description == name })
    }

    @Test func allCombinationsAreThere() {
        #expect(DatapathConfiguration.all.count == 4 * 3 * 2 * 2)
        #expect(Set(DatapathConfiguration.all.map(\.description)).count == 48)
        #expect(Set(TrafficClass.all).count == TrafficClass.all.count)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let config: String
        let from: TrafficClass.Sender
        let to: TrafficClass.Receiver
        let result: TrafficExpectation.Result
        let source: SourceExpectation?
        var testDescription: String { "\(config): \(from) → \(to)" }
        init(
            _ config: String, _ from: TrafficClass.Sender, _ to: TrafficClass.Receiver,
            _ result: TrafficExpectation.Result, _ source: SourceExpectation? = nil
        ) {
            self.config = config
            self.from = from
            self.to = to
            self.result = result
            self.source = source
        }
    }

    /// The field reports' truth table, and what the modes differ in.
    @Test(arguments: [
        // Without masquerade the VPC's DNS does not answer pods of an overlay (000, section 3).
        Row("vxlan-off-datapath-none", .pod, .vpcDNS, .lost), Row("vxlan-off-datapath-none", .pod, .internet, .lost),
        Row("vxlan-off-datapath-none", .pod, .podOtherNode, .open, .pod),
        Row("vxlan-off-datapath-none", .pod, .otherNode, .lost),
        Row("vxlan-off-datapath-none", .pod, .ownNode, .open, .pod),
        Row("vxlan-off-kube-proxy-none", .pod, .nodePortOtherNode, .lost),
        Row("vxlan-off-datapath-none", .pod, .nodePortOtherNode, .open),
        Row("vxlan-bpf-datapath-none", .pod, .vpcDNS, .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .internet, .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .podOtherNode, .open, .pod),
        Row("vxlan-bpf-datapath-none", .pod, .podSameNode, .open, .pod),
        Row("vxlan-bpf-datapath-none", .pod, .otherNode, .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .clusterIP, .open, .pod),
        Row("geneve-iptables-kube-proxy-none", .pod, .vpcHost, .open, .node),
        Row("geneve-iptables-kube-proxy-none", .pod, .ownNode, .open, .pod),
        Row("native-off-datapath-none", .pod, .vpcHost, .open, .pod),
        Row("native-off-datapath-none", .pod, .internet, .lost),
        Row("native-bpf-datapath-none", .pod, .vpcHost, .open, .node),
        Row("native-bpf-datapath-none", .pod, .otherNode, .open, .pod),
        Row("eni-bpf-datapath-none", .pod, .vpcDNS, .open, .pod),
        Row("eni-bpf-datapath-none", .pod, .internet, .open, .node),
        Row("eni-off-datapath-none", .pod, .internet, .lost),
        Row("eni-off-datapath-none", .node, .internet, .open, .node),
        Row("vxlan-bpf-datapath-default-deny", .pod, .podSameNode, .denied),
        Row("vxlan-bpf-datapath-default-deny", .pod, .vpcDNS, .denied),
        Row("vxlan-off-datapath-default-deny", .pod, .vpcDNS, .denied),
        Row("vxlan-bpf-datapath-default-deny", .pod, .itselfThroughService, .open),
        Row("vxlan-bpf-datapath-default-deny", .node, .podSameNode, .open),
        Row("vxlan-bpf-datapath-default-deny", .node, .podOtherNode, .denied),
        Row("vxlan-bpf-datapath-default-deny", .node, .otherNode, .open, .node),
    ])
    func expectations(_ row: Row) throws {
        let expectation = try config(row.config).expectation(of: TrafficClass(row.from, row.to))
        #expect(expectation.result == row.result)
        #expect(expectation.source == row.source)
        #expect(!expectation.reason.isEmpty)
    }

    /// What holds whatever the configuration.
    @Test(arguments: DatapathConfiguration.all)
    func invariants(_ config: DatapathConfiguration) {
        for traffic in TrafficClass.all {
            let expectation = config.expectation(of: traffic)
            if expectation.result != .open { #expect(expectation.source == nil) }
            if expectation.result == .denied { #expect(config.policy == .defaultDeny) }
            if expectation.result == .lost { #expect(config.masquerade == .off && traffic.from == .pod) }
            // A policy takes away, and never opens.
            var without = config
            without.policy = .none
            if expectation.result == .open { #expect(without.expectation(of: traffic) == expectation) }
            // The two tunnels carry the same.
            if config.routing == .vxlan {
                var geneve = config
                geneve.routing = .geneve
                #expect(geneve.expectation(of: traffic) == expectation)
            }
            // Both ways of masquerading show the same source.
            if config.masquerade == .bpf {
                var iptables = config
                iptables.masquerade = .iptables
                #expect(iptables.expectation(of: traffic) == expectation)
            }
        }
        let own = config.expectation(of: TrafficClass(.pod, .ownNode)).source
        #expect(own == (config.policy == .none ? .pod : nil))
    }
}
