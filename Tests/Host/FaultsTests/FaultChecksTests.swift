import Scenario
import Testing

@testable import Faults

/// What the shipped faults check in a call, and which of them conflict. Both are reported with the place of the mistake
/// before a lab is booted.
@Suite struct FaultChecksTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let faults: [String]
        let messages: [String]

        init(_ faults: [String], _ messages: String...) {
            self.faults = faults
            self.messages = messages
        }

        var testDescription: String { faults.joined(separator: "; ") }
    }

    private static func adding(_ parameters: String) -> [String] {
        ["fault: security-group-rule, action: add, group: nodes, \(parameters)"]
    }

    private static func removing(_ parameters: String) -> [String] {
        ["fault: security-group-rule, action: remove, \(parameters)"]
    }

    private static func netem(_ parameters: String) -> [String] {
        ["fault: netem, nodes: node1, \(parameters)"]
    }

    /// Two faults in one step, on lines 11 and 12.
    private static func both(_ first: String, _ second: String) -> [String] {
        ["fault: \(first)", "fault: \(second)"]
    }

    static let rules: [Case] = [
        Case(adding("rule: dns, protocol: udp, ports: 53")),
        Case(adding("rule: ping, protocol: icmp, peer: any")),
        Case(adding("rule: office, peer: 10.1.0.0/16")),
        Case(adding("rule: members, peer: nodes")),
        Case(
            adding("rule: vxlan, protocol: udp, ports: 8472"),
            "x.yaml:11:73: security group nodes has a rule \"vxlan\" already; give another name"),
        Case(
            adding("id: tcp, protocol: tcp"),
            "x.yaml:11:71: security group nodes has a rule \"tcp\" already; give another name"),
        Case(
            adding("rule: ping, protocol: icmp, ports: 8"),
            "x.yaml:11:102: protocol icmp has no ports; expected protocol tcp or udp"),
        Case(
            adding("rule: some, ports: 80"),
            "x.yaml:11:86: protocol all has no ports; expected protocol tcp or udp"),
        Case(
            adding("rule: some, peer: nods"), "x.yaml:11:85: unknown peer \"nods\"; did you mean \"nodes\"?"),
        Case(
            adding("rule: some, peer: 10.0.0.1/16"),
            "x.yaml:11:85: unknown peer \"10.0.0.1/16\"; expected self, any, a group's name or a network"),
    ]

    static let ruleNames: [Case] = [
        Case(adding("rule: \(String(repeating: "r", count: 40))")),
        Case(
            adding("rule: \(String(repeating: "r", count: 41))"),
            "x.yaml:11:73: \"\(String(repeating: "r", count: 41))\" cannot name a rule; \(expectedName)"),
        Case(
            adding("rule: 'a;b{}\"x\"'"), "x.yaml:11:73: \"a;b{}\"x\"\" cannot name a rule; \(expectedName)"),
        Case(
            adding("id: \(String(repeating: "i", count: 41))"),
            "x.yaml:11:71: \"\(String(repeating: "i", count: 41))\" cannot name a rule; \(expectedName)"),
    ]
    private static let expectedName = "expected a name of at most 40 lower-case letters, digits and dashes"

    static let removals: [Case] = [
        Case(
            removing("group: nodes, rule: vxlan, peer: any"),
            "x.yaml:11:89: peer is a parameter of an added rule, not of a removed one; expected \"rule\" alone, which "
                + "names the rule"),
        Case(removing("group: nodes, rule: vxlan")),
        Case(
            removing("group: nods, rule: vxlan"),
            "x.yaml:11:63: no security group \"nods\" in lab eks-overlay; did you mean \"nodes\"?"),
        Case(
            removing("group: nodes, rule: vxlam"),
            "x.yaml:11:76: no rule \"vxlam\" in security group nodes; did you mean \"vxlan\"?"),
        Case(
            removing("group: nodes"),
            "x.yaml:11:11: action remove needs \"rule\"; expected one of vxlan, icmp, tcp, nodeport-udp, egress"),
    ]

    static let netem: [Case] = [
        Case(netem("loss: 3%")), Case(netem("delay: 10ms, jitter: 2ms, reorder: 5%")),
        Case(netem("interface: labrun_vxlan, duplicate: 1")), Case(netem("interface: labrun_host, corrupt: 1")),
        Case(
            netem("interface: eth0"),
            "x.yaml:11:11: netem without delay, loss, corrupt, duplicate or reorder does nothing; expected one "
                + "of them above 0"
        ),
        Case(
            netem("loss: 0%, delay: 0ms"),
            "x.yaml:11:11: netem without delay, loss, corrupt, duplicate or reorder does nothing; expected one "
                + "of them above 0"
        ),
        Case(netem("delay: 274s, jitter: 274s")),
        Case(netem("loss: 0.0000001")), Case(netem("delay: 0.001ms")),
        Case(
            netem("loss: 0.00000000001"),
            "x.yaml:11:46: the kernel cannot hold a loss as small as that; expected at least 0.00000003 %"),
        Case(
            netem("delay: 0.00001ms"),
            "x.yaml:11:47: the kernel cannot hold a delay as short as that; expected at least 0.0001ms"),
        Case(
            netem("delay: 5m"),
            "x.yaml:11:47: the kernel cannot hold a delay as long as that; expected at most 274s"),
        Case(netem("jitter: 2ms"), "x.yaml:11:48: jitter needs a delay; expected \"delay\" above 0"),
        Case(
            netem("loss: 1%, delay: 0ms, reorder: 5%"),
            "x.yaml:11:71: reorder needs a delay; expected \"delay\" above 0"),
        Case(
            netem("interface: eth1, loss: 1%"),
            "x.yaml:11:51: nodes have no interface \"eth1\" that a file can name; did you mean \"eth0\"?"),
        Case(
            netem("jitter: 2ms, delay: 5"),
            "x.yaml:11:60: delay must be a duration from 0ms to 10m such as 200ms, 1.5s or 2m, but the number "
                + "5 is given"
        ),
    ]

    static let ofServers: [Case] = [
        Case(["fault: api-server-down"]), Case(["fault: etcd-slow, delay: 200ms"]),
        Case(["fault: api-server-slow, delay: 10s"]),
        Case(both("scheduler-down", "controller-manager-down")),
        Case(both("api-server-down", "node-crash, nodes: all")),
        Case(
            ["fault: api-server-slow, delay: 199ms"],
            "x.yaml:11:43: a delay of 199ms cannot be proven; expected a duration from 200ms to 10s"),
        Case(
            ["fault: etcd-slow, delay: 11s"],
            "x.yaml:11:37: a delay of 11s cannot be proven; expected a duration from 200ms to 10s"),
        Case(
            ["fault: etcd-slow"],
            "x.yaml:11:11: fault etcd-slow has no \"delay\"; expected a duration from 0ms to 10m such as 200ms, 1.5s "
                + "or 2m"),
        Case(
            both("etcd-slow, delay: 1s", "etcd-slow, id: b, delay: 2s"),
            "x.yaml:12:34: etcd of the control-plane is already held by fault \"etcd-slow\" of line 11; heal it first"),
    ]

    static let conflicts: [Case] = [
        Case(both("agent-kill, nodes: node1", "node-crash, nodes: [node2, node3]")),
        Case(both("netem, nodes: node1, loss: 1%", "netem, id: b, nodes: node1, interface: labrun_vxlan, loss: 1%")),
        Case(both("link-down, nodes: node1", "netem, nodes: node1, loss: 1%")),
        Case(both("node-crash, nodes: all", "security-group-rule, action: remove, group: nodes, rule: tcp")),
        Case(
            both("agent-kill, nodes: all", "node-crash, nodes: node2"),
            "x.yaml:12:19: node2 must run until fault \"agent-kill\" of line 11 is healed"),
        Case(
            both("node-pause, nodes: node2", "agent-kill, nodes: all"),
            "x.yaml:12:19: node2 does not run because of fault \"node-pause\" of line 11"),
        Case(
            both("node-pause, nodes: node2", "link-down, nodes: node2"),
            "x.yaml:12:19: node2 does not run because of fault \"node-pause\" of line 11"),
        Case(
            both("netem, nodes: node2, loss: 1%", "node-crash, nodes: node2"),
            "x.yaml:12:19: node2 must run until fault \"netem\" of line 11 is healed"),
        Case(
            both("node-crash, nodes: node2", "node-pause, nodes: all"),
            "x.yaml:12:19: the power of node2 is already held by fault \"node-crash\" of line 11; heal it first"),
        Case(
            both("netem, nodes: node2, loss: 1%", "netem, id: b, nodes: all, delay: 5ms"),
            "x.yaml:12:30: the queueing discipline of node2's eth0 is already held by fault \"netem\" of line "
                + "11; heal it first"
        ),
        Case(
            both(
                "security-group-rule, id: a, action: remove, group: nodes, rule: vxlan, nodes: node1",
                "security-group-rule, id: b, action: remove, group: nodes, rule: vxlan"),
            "x.yaml:12:44: security group rule nodes/vxlan at node1 is already held by fault \"a\" of line 11; "
                + "heal it first"
        ),
        Case(
            both("node-crash, nodes: node2", "netem, nodes: node2, delay: 30ms"),
            "x.yaml:12:19: warning: node2 does not run because of fault \"node-crash\" of line 11, and the run "
                + "will refuse it"
        ),
    ]

    @Test(arguments: rules + ruleNames + removals + netem + ofServers + conflicts)
    func `every mistake is told with its place`(item: Case) {
        let found = InjectionFile(item.faults).problems
        #expect(found == item.messages, "\(found.joined(separator: "\n"))")
    }

    @Test(arguments: CatalogueTests.ofServers)
    func `a lab without a control plane has none of its faults`(kind: String) {
        let delay = kind.hasSuffix("slow") ? ", delay: 1s" : ""
        let found = InjectionFile("fault: \(kind)\(delay)", controlPlane: false).problems
        #expect(
            found == [
                "x.yaml:11:19: lab eks-overlay has no control plane; expected \"controlPlane: {enabled: true}\" in the lab "
                    + "or in \"overrides\""
            ], "\(found)")
    }

    @Test func `a lab without a cloud controller cannot lose it`() {
        let found = InjectionFile("fault: cloud-controller-down", cloudController: false).problems
        #expect(
            found == [
                "x.yaml:11:19: lab eks-overlay has no cloud controller; expected \"controlPlane: {cloudController: true}\" "
                    + "in the lab or in \"overrides\""
            ], "\(found)")
    }

    /// Claims are looked up, not compared one by one.
    @Test func `a thousand faults in one step are read in time`() {
        let faults = (0..<1000).map {
            "fault: security-group-rule, id: a\($0), action: add, group: nodes, rule: r\($0)"
        }
        let took = ContinuousClock().measure { #expect(InjectionFile(faults).problems == []) }
        #expect(took < .seconds(30))
    }
}
