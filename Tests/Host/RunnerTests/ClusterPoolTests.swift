import Scenario
import Testing

@testable import Lab

@Suite struct ClusterPoolTests {
    private func profile(nodes: Int = 2, values: [String: String] = [:]) -> LabProfile {
        LabProfile(
            name: "test", title: "", vpcCIDR: "10.0.0.0/16", subnetCIDR: "10.0.0.0/24", nodeCount: nodes,
            nodePrefix: "node", kernel: "6.1", memoryMiB: 192, podCIDR: "192.168.0.0/16", podMaskSize: 24,
            securityGroups: [], nodeSecurityGroups: [], sourceDestinationCheck: true, datapathValues: values)
    }

    private func values(_ ranges: String, _ maskSize: Int) -> [String: String] {
        [
            "ipam.operator.clusterPoolIPv4PodCIDRList": ranges,
            "ipam.operator.clusterPoolIPv4MaskSize": "\(maskSize)",
        ]
    }

    @Test func withoutAPoolTheProfilesRangeIsIt() throws {
        let plan = try LabPlan(profile: profile())
        #expect(plan.nodes.map(\.podCIDR) == ["192.168.1.0/24", "192.168.2.0/24"])
        #expect(plan.clusterPodCIDRs == ["192.168.0.0/16"])
    }

    @Test func rangesAreUsedUpInOrder() throws {
        let plan = try LabPlan(profile: profile(nodes: 5, values: values("10.10.0.0/25,10.20.0.0/24", 26)))
        #expect(
            plan.nodes.map(\.podCIDR) == [
                "10.10.0.64/26", "10.20.0.0/26", "10.20.0.64/26", "10.20.0.128/26", "10.20.0.192/26",
            ])
        #expect(plan.clusterPodCIDRs == ["10.10.0.0/25", "10.20.0.0/24"])
    }

    @Test func anExhaustedPoolNamesTheNode() {
        let error = #expect(throws: LabError.self) {
            try LabPlan(profile: profile(nodes: 4, values: values("10.10.0.0/24", 26)))
        }
        #expect(error?.message.contains("no podCIDR left for node4") == true)
        #expect(error?.message.contains("3 shares of /26") == true)
    }

    @Test(arguments: [
        ("10.10.0.0/24", 16), ("10.10.0.0/16,10.10.5.0/24", 24),
        ("10.1.0.0/16,10.2.0.0/16,10.3.0.0/16,10.4.0.0/16,10.5.0.0/16", 24), ("10.1.0.0/16", 29),
    ])
    func aPoolThatCannotWorkIsRefused(_ ranges: String, _ maskSize: Int) {
        #expect(throws: LabError.self) { try LabPlan(profile: profile(values: values(ranges, maskSize))) }
    }
}
