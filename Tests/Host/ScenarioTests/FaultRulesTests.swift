import Foundation
import Testing

@testable import Scenario

/// What a fault needs of the lab, of its parameters and of the faults in force, before any lab is booted.
@Suite struct FaultRulesTests {
    private static func adding(_ parameters: String) -> String {
        ScenarioText.step("inject: {fault: security-group-rule, action: add, group: nodes, \(parameters)}")
    }

    private static func netem(_ parameters: String) -> String {
        ScenarioText.step("inject: {fault: netem, nodes: node1, \(parameters)}")
    }

    /// Two faults in one step, each on its line: 16 and 17.
    private static func both(_ first: String, _ second: String) -> String {
        ScenarioText.step("inject:\n  - {fault: \(first)}\n  - {fault: \(second)}")
    }

    static let expectations: [Case] = [
        Case(
            ScenarioText.unexpecting("inject: {fault: link-down, nodes: node1}"),
            "x.yaml:14:5: no step expects anything, so that a run would prove nothing; expected \"expect\" in one step at least"
        ),
        Case(
            ScenarioText.head + "  timeline: [{name: a}, {name: b}]\n",
            "x.yaml:8:13: no step expects anything, so that a run would prove nothing; expected \"expect\" in one step at least"
        ),
    ]

    static let rules: [Case] = [
        Case(adding("rule: dns, protocol: udp, ports: 53")),
        Case(adding("rule: ping, protocol: icmp, peer: any")),
        Case(adding("rule: office, peer: 10.1.0.0/16")),
        Case(adding("rule: members, peer: nodes")),
        Case(
            adding("rule: vxlan, protocol: udp, ports: 8472"),
            "x.yaml:15:77: security group nodes has a rule \"vxlan\" already; give another name"),
        Case(
            adding("id: tcp, protocol: tcp"),
            "x.yaml:15:75: security group nodes has a rule \"tcp\" already; give another name"),
        Case(
            adding("rule: ping, protocol: icmp, ports: 8"),
            "x.yaml:15:106: protocol icmp has no ports; expected protocol tcp or udp"),
        Case(
            adding("rule: some, ports: 80"),
            "x.yaml:15:90: protocol all has no ports; expected protocol tcp or udp"),
        Case(
            adding("rule: some, peer: nods"), "x.yaml:15:89: unknown peer \"nods\"; did you mean \"nodes\"?"),
        Case(
            adding("rule: some, peer: 10.0.0.1/16"),
            "x.yaml:15:89: unknown peer \"10.0.0.1/16\"; expected self, any, a group's name or a network"),
    ]

    static let netem: [Case] = [
        Case(netem("loss: 3%")), Case(netem("delay: 10ms, jitter: 2ms, reorder: 5%")),
        Case(netem("interface: labrun_vxlan, duplicate: 1")), Case(netem("interface: labrun_host, corrupt: 1")),
        Case(
            netem("interface: eth0"),
            "x.yaml:15:15: netem without delay, loss, corrupt, duplicate or reorder does nothing; expected one of them above 0"
        ),
        Case(
            netem("loss: 0%, delay: 0ms"),
            "x.yaml:15:15: netem without delay, loss, corrupt, duplicate or reorder does nothing; expected one of them above 0"
        ),
        Case(netem("jitter: 2ms"), "x.yaml:15:52: jitter needs a delay; expected \"delay\" above 0"),
        Case(
            netem("loss: 1%, delay: 0ms, reorder: 5%"),
            "x.yaml:15:75: reorder needs a delay; expected \"delay\" above 0"),
        Case(
            netem("interface: eth1, loss: 1%"),
            "x.yaml:15:55: nodes have no interface \"eth1\" that a file can name; did you mean \"eth0\"?"),
        Case(
            netem("jitter: 2ms, delay: 5"),
            "x.yaml:15:64: delay must be a duration from 0ms to 10m such as 200ms, 1.5s or 2m, but the number 5 is given"
        ),
    ]

    static let conflicts: [Case] = [
        Case(both("agent-kill, nodes: node1", "node-crash, nodes: [node2, node3]")),
        Case(both("netem, nodes: node1, loss: 1%", "netem, id: b, nodes: node1, interface: labrun_vxlan, loss: 1%")),
        Case(both("link-down, nodes: node1", "netem, nodes: node1, loss: 1%")),
        Case(both("node-crash, nodes: all", "security-group-rule, action: remove, group: nodes, rule: tcp")),
        Case(
            ScenarioText.step("inject: {fault: agent-kill, nodes: all}\nheal: agent-kill")
                + "    - {name: then, inject: {fault: node-crash, nodes: all}}\n"),
        Case(
            both("agent-kill, nodes: all", "node-crash, nodes: node2"),
            "x.yaml:17:19: node2 must run until fault \"agent-kill\" of line 16 is healed"),
        Case(
            both("node-pause, nodes: node2", "agent-kill, nodes: all"),
            "x.yaml:17:19: node2 does not run because of fault \"node-pause\" of line 16"),
        Case(
            both("node-pause, nodes: node2", "link-down, nodes: node2"),
            "x.yaml:17:19: node2 does not run because of fault \"node-pause\" of line 16"),
        Case(
            both("netem, nodes: node2, loss: 1%", "node-crash, nodes: node2"),
            "x.yaml:17:19: node2 must run until fault \"netem\" of line 16 is healed"),
        Case(
            both("node-crash, nodes: node2", "node-pause, nodes: all"),
            "x.yaml:17:19: the power of node2 is already held by fault \"node-crash\" of line 16; heal it first"),
        Case(
            both("netem, nodes: node2, loss: 1%", "netem, id: b, nodes: all, delay: 5ms"),
            "x.yaml:17:30: the queueing discipline of node2's eth0 is already held by fault \"netem\" of line 16; heal it first"
        ),
        Case(
            both(
                "security-group-rule, id: a, action: remove, group: nodes, rule: vxlan, nodes: node1",
                "security-group-rule, id: b, action: remove, group: nodes, rule: vxlan"),
            "x.yaml:17:44: security group rule nodes/vxlan at node1 is already held by fault \"a\" of line 16; heal it first"
        ),
        Case(
            ScenarioText.step("inject: {fault: agent-kill, nodes: all}")
                + "    - {name: then, inject: {fault: node-crash, nodes: node3}}\n",
            "x.yaml:17:36: node3 must run until fault \"agent-kill\" of line 15 is healed"),
        Case(
            both("node-crash, nodes: node2", "netem, nodes: node2, delay: 30ms"),
            "x.yaml:17:19: warning: node2 does not run because of fault \"node-crash\" of line 16, and the run will refuse it"
        ),
    ]

    @Test("every mistake, with its place", arguments: expectations + rules + netem + conflicts)
    func messages(_ item: Case) {
        let found = ScenarioText.problems(item.text)
        #expect(found == item.messages, "\(found.joined(separator: "\n"))")
    }

    @Test("the benchmark's scenarios and the template are valid")
    func others() throws {
        let folder = repository.appending(path: "bench").path
        for file in try ScenarioLoader.files(in: [folder]) {
            let loaded = try ScenarioLoader.load(file, faults: testFaults)
            #expect(loaded.warnings.isEmpty)
        }
        let text = try #require(ScenarioTemplate.text(name: "x"))
        #expect(ScenarioText.problems(text).isEmpty)
    }

    /// Claims are looked up, not compared one by one.
    @Test func manyFaults() {
        let lines = (0..<1000).map {
            "- {fault: security-group-rule, id: a\($0), action: add, group: nodes, rule: r\($0)}"
        }
        let heals = (0..<1000).map { "a\($0)" }.joined(separator: ", ")
        let text = ScenarioText.step("inject:\n" + lines.joined(separator: "\n") + "\nheal: [\(heals)]")
        let took = ContinuousClock().measure { _ = ScenarioText.problems(text) }
        #expect(took < .seconds(30))
    }
}
