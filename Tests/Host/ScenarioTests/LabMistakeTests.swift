import LabProfiles
import ScenarioReading
import Testing

@testable import Scenario

/// Mistakes in a lab's file that a run would come upon only after it was started.
@Suite struct LabMistakeTests {
    struct Change: Sendable, CustomTestStringConvertible {
        let old: String
        let new: String
        /// The message without its place; nil if the lab stays valid.
        let message: String?

        init(_ old: String, _ new: String, _ message: String?) {
            self.old = old
            self.new = new
            self.message = message
        }

        var testDescription: String { new }
    }

    private static let longest = String(repeating: "n", count: 40)
    private static let expectedName = "a name of at most 40 lower-case letters, digits and dashes"

    static let names: [Change] = [
        Change("name: callers", "name: \(longest)", nil),
        Change(
            "name: callers", "name: \(longest)n", "name must be \(expectedName), but \"\(longest)n\" is given"),
        Change("name: desk", "name: \(longest)", nil),
        Change("name: desk", "name: \(longest)n", "name must be \(expectedName), but \"\(longest)n\" is given"),
        Change(
            "    - name: nodes\n", "    - {name: \(longest)n, rules: []}\n    - name: nodes\n",
            "name must be \(expectedName), but \"\(longest)n\" is given"),
        Change("prefix: node", "prefix: \(String(repeating: "p", count: 61))", "no node or interface \"node2\""),
        Change(
            "prefix: node", "prefix: \(String(repeating: "p", count: 62))",
            "prefix must be a name of at most 61 lower-case letters, digits and dashes, but "
                + "\"\(String(repeating: "p", count: 60))…\" is given"),
        Change("[nodes]", "[nodes, nodes]", "security group \"nodes\" is given twice"),
        Change(
            "[nodes]", "[node]", "no security group \"node\"; did you mean \"nodes\"?"),
        Change("[nodes]", "[TCP]", "no security group \"TCP\"; expected one of nodes"),
        Change(
            "target: node2", "target: edge", "no node or interface \"edge\"; expected one of node1, node2"),
        Change("subnet: office, address", "subnet: x, address", "no subnet \"x\"; expected one of nodes, office"),
    ]

    static let networks: [Change] = [
        Change("10.100.0.0/16", "127.0.0.0/8", overlaps("127.0.0.0/8", "127.0.0.0/8 (loopback)")),
        Change("10.100.0.0/16", "169.254.0.0/16", overlaps("169.254.0.0/16", "169.254.0.0/16 (link-local)")),
        Change("10.100.0.0/16", "0.0.0.0/8", overlaps("0.0.0.0/8", "0.0.0.0/8 (this network)")),
        Change("192.168.0.0/16", "225.0.0.0/16", overlaps("225.0.0.0/16", "224.0.0.0/4 (multicast)")),
        Change("192.168.0.0/16", "240.0.0.0/16", overlaps("240.0.0.0/16", "240.0.0.0/4 (reserved)")),
        Change("10.0.1.200", "10.0.1.255", "the last address of a subnet is its broadcast address"),
        Change("10.0.1.200", "10.0.1.254", nil),
        Change(
            "  nodes:\n", "    dns: {records: {a..b: 10.0.0.9}}\n  nodes:\n", key("a..b")),
        Change("  nodes:\n", "    dns: {records: {\"*.*.b\": 10.0.0.9}}\n  nodes:\n", key("*.*.b")),
        Change("  nodes:\n", "    dns: {records: {\"*.b\": 10.0.0.9, _x._tcp.A.b-c: 10.0.0.9}}\n  nodes:\n", nil),
    ]

    static let values: [Change] = [
        Change(
            "routingMode: tunnel", "routingMode: {}",
            "datapath value routingMode cannot be an empty mapping; expected one of tunnel, native"),
        Change(
            "routingMode: tunnel", "devices: {}",
            "datapath value devices cannot be an empty mapping; expected a list of interfaces such as eth0"),
        Change(
            "routingMode: tunnel", "nonMasqueradeCIDRs: {}",
            "datapath value nonMasqueradeCIDRs cannot be an empty mapping"),
        Change(
            "routingMode: tunnel", "routingModes: {}",
            "unknown datapath value \"routingModes\"; did you mean \"routingMode\"?"),
        Change("routingMode: tunnel", "bpf: {}", nil), Change("routingMode: tunnel", "hubble: {}", nil),
        Change(
            "routingMode: tunnel", "tunnelPort: ~",
            "tunnelPort must be a value or a list of values, but nothing is given"),
        Change("mode: cluster-pool", "mode: []", "datapath value ipam.mode cannot be \"\"; expected one of "),
        Change(
            "mode: cluster-pool", "operator: {clusterPoolIPv4PodCIDRList: 10.9.0.1/24}",
            "datapath value ipam.operator.clusterPoolIPv4PodCIDRList cannot be \"10.9.0.1/24\"; expected a list of "
                + "IPv4 networks such as 10.0.0.0/16, without host bits"),
        // What the agents or the lab would refuse only after the boot.
        Change("mode: cluster-pool", "operator: {clusterPoolIPv4PodCIDRList: 10.9.0.0/16}", nil),
        Change(
            "mode: cluster-pool", "operator: {clusterPoolIPv4PodCIDRList: 10.0.0.0/8}",
            "\(pool): 10.0.0.0/8 holds addresses of nodes, such as 10.0.0.11"),
        Change(
            "mode: cluster-pool", "operator: {clusterPoolIPv4PodCIDRList: 10.100.0.0/16}",
            "\(pool): 10.100.0.0/16 overlaps the services' 10.100.0.0/16"),
        Change(
            "mode: cluster-pool", "operator: {clusterPoolIPv4PodCIDRList: [10.9.0.0/16, 10.9.1.0/24]}",
            "\(pool): 10.9.0.0/16 and 10.9.1.0/24 overlap"),
        Change("routingMode: tunnel", "devices: eth0", nil),
        Change("routingMode: tunnel", "devices: [eth+, ens+]", nil),
        Change(
            "routingMode: tunnel", "devices: eno1",
            "the nodes have no interface eno1; expected interfaces of the nodes: eth0"),
        Change("routingMode: tunnel", "devices: [bond+, ens+]", "no interface of the nodes matches bond+, ens+"),
    ]

    private static let pool = "ipam.operator.clusterPoolIPv4PodCIDRList"

    /// The same is found where a scenario changes the lab's values, with the place of the value.
    @Test func valuesOfAScenarioMustFitItsLab() {
        let overrides = ScenarioText.problems(
            ScenarioText.head + "  overrides: {datapath: {values: {devices: [eth0, eno1]}}}\n"
                + ScenarioText.workloads + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n")
        #expect(
            overrides == [
                "x.yaml:8:44: the nodes have no interface eno1; expected interfaces of the nodes: eth0"
            ])
        let set = ScenarioText.problems(ScenarioText.step("set: {datapath: {values: {devices: bond+}}}"))
        #expect(set.count == 1 && set[0].hasPrefix("x.yaml:15:42: no interface of the nodes matches bond+"), "\(set)")
        let option = ScenarioText.problems(
            ScenarioText.step("expect: {diagnosis: {is: none}}"),
            settings: [Setting(path: "datapath.values.\(Self.pool)", value: "10.0.0.0/8")])
        #expect(option.count == 1 && option[0].contains("holds addresses of nodes, such as 10.0.0.11"), "\(option)")
    }

    private static func overlaps(_ network: String, _ reserved: String) -> String {
        "\(network) overlaps \(reserved), whose addresses hosts cannot have; expected a network such as 10.0.0.0/16"
    }

    private static func key(_ name: String) -> String {
        "key \"\(name)\" of records is not right; expected a name such as example.com, or *.example.com for all below"
    }

    @Test("a change makes one mistake or none", arguments: names + networks + values)
    func mistakes(change: Change) throws {
        let bytes = try #require(LabProfiles.bytes(of: "eks-clients"))
        let old = String(decoding: bytes, as: UTF8.self)
        #expect(old.contains(change.old))
        let text = old.replacing(change.old, with: change.new)
        let (_, problems) = ScenarioParser.parseLab(Array(text.utf8), file: "lab.yaml")
        guard let message = change.message else {
            #expect(problems.isEmpty, "\(problems)")
            return
        }
        // A prefix that is refused gives the nodes other names than those that the file's route names.
        let others = problems.filter { !$0.description.contains(": " + message) }
        #expect(problems.count == others.count + 1, "\(problems)")
        #expect(others.allSatisfy { $0.message.hasPrefix("no node or interface") }, "\(problems)")
    }
}
