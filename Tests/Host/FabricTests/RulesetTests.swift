import NetAddress
import Scenario
import Testing

@testable import Fabric

@Suite struct RulesetTests {
    @Test(arguments: [
        (
            SecurityGroupRule(name: "a", protocol: .udp, ports: 8472...8472, peer: .group("sg")),
            "ip saddr @members-sg udp dport 8472 "
        ),
        (SecurityGroupRule(name: "a", protocol: .tcp, ports: 1...65535), "tcp dport 1-65535 "),
        (SecurityGroupRule(name: "a", protocol: .tcp), "meta l4proto tcp "),
        (
            SecurityGroupRule(name: "a", protocol: .icmp, peer: .cidr(cidr("10.0.3.7/16"))),
            "ip saddr 10.0.0.0/16 meta l4proto icmp "
        ),
        (
            SecurityGroupRule(name: "a", direction: .egress, protocol: .all, peer: .cidr(cidr("10.0.0.0/8"))),
            "ip daddr 10.0.0.0/8 "
        ),
        (SecurityGroupRule.allowAllEgress, ""),
        (SecurityGroupRule(name: "a", protocol: .all, peer: .cidr(.any)), ""),
    ])
    func aRuleBecomesAMatch(_ rule: SecurityGroupRule, _ text: String) {
        #expect(Ruleset.match(rule) == text)
    }

    /// The parser refuses longer names, so that no run ends with one that the fabric refuses.
    @Test func theLongestNamesOfALabAreTheFabrics() throws {
        func group(_ length: Int) -> SecurityGroup {
            let name = String(repeating: "n", count: length)
            return SecurityGroup(name: name, rules: [SecurityGroupRule(name: name, protocol: .tcp)])
        }
        try group(LabProfile.longestFabricName).validate(known: [])
        #expect(throws: FabricError.self) { try group(LabProfile.longestFabricName + 1).validate(known: []) }
    }

    @Test func anInterfaceGetsTheRulesOfItsNode() throws {
        let group = SecurityGroup(
            name: "sg",
            rules: [
                SecurityGroupRule(name: "here", protocol: .tcp, nodes: .only(["node1"])),
                SecurityGroupRule(name: "elsewhere", protocol: .tcp, nodes: .except(["node1"])),
            ]
        ).withDefaultEgress
        let rules = Ruleset.rules(of: nic, mark: 3, groups: ["sg": group])
        #expect(
            rules.map(Ruleset.insert) == [
                "insert rule ip labrun nic3-ingress meta l4proto tcp counter accept comment \"sg/here\"",
                "insert rule ip labrun nic3-egress counter accept comment \"sg/all-egress\"",
            ])
    }

    @Test func aGroupWithAnEgressRuleGetsNoOther() {
        let own = SecurityGroupRule(name: "dns", direction: .egress, protocol: .udp, ports: 53...53)
        #expect(SecurityGroup(name: "sg", rules: [own]).withDefaultEgress.rules == [own])
    }

    @Test(arguments: ["", "a b", "x;drop", "\"", "a\nb", "ä", String(repeating: "a", count: 41), "a/b"])
    func aNameThatIsNoWordNeverReachesNftables(_ name: String) {
        #expect(throws: FabricError.self) { try SecurityGroup(name: name, rules: []).validate(known: []) }
        let rule = SecurityGroupRule(name: name, protocol: .tcp)
        #expect(throws: FabricError.self) { try rule.validate(group: "sg", known: []) }
        var named = nic
        named.interfaceID = name
        #expect(throws: FabricError.self) { try named.validate() }
        named = nic
        named.tap = name
        #expect(throws: FabricError.self) { try named.validate() }
    }

    @Test func contradictionsAreRefused() {
        let subnet = SubnetSpec(name: "a", cidr: cidr("10.0.0.0/24"), bridge: "br-a")
        let ported = SecurityGroupRule(name: "a", protocol: .icmp, ports: 1...2)
        let dangling = SecurityGroupRule(name: "a", protocol: .tcp, peer: .group("none"))
        let twice = SecurityGroupRule(name: "a", protocol: .tcp)
        for rules in [[ported], [dangling], [twice, twice]] {
            let spec = FabricSpec(subnets: [subnet], securityGroups: [SecurityGroup(name: "sg", rules: rules)])
            #expect(throws: FabricError.self) { try spec.validate() }
        }
        #expect(throws: FabricError.self) {
            try FabricSpec(subnets: [subnet, subnet], securityGroups: []).validate()
        }
        var outside = subnet
        outside.gateway = IPv4Address(10, 9, 0, 1)
        #expect(throws: FabricError.self) { try FabricSpec(subnets: [outside], securityGroups: []).validate() }
    }

    private let nic = NICSpec(
        interfaceID: "eni-1", node: "node1", tap: "tap1", mac: MACAddress(rawValue: 2),
        address: IPv4Address(10, 0, 0, 11),
        subnet: "a", groups: ["sg"])
}

@Suite struct NodeSelectionTests {
    private static let universe = ["a", "b", "c", "d"]
    private static let selections: [NodeSelection] = [
        .all, .only([]), .only(["a"]), .only(["a", "b"]), .except(["a"]), .except(["b", "c"]), .except(["d"]),
    ]

    @Test(arguments: selections, selections)
    func selectionsAreSets(_ left: NodeSelection, _ right: NodeSelection) {
        for node in Self.universe {
            #expect(left.subtracting(right).contains(node) == (left.contains(node) && !right.contains(node)))
            #expect(left.union(right).contains(node) == (left.contains(node) || right.contains(node)))
        }
        // A repair gives back exactly what the fault took away.
        let after = left.subtracting(right)
        #expect(after.union(left.subtracting(after)) == left)
    }
}

func cidr(_ text: String) -> IPv4CIDR {
    guard let value = IPv4CIDR(text) else { preconditionFailure(text) }
    return value
}
