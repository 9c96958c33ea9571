import Foundation
import ScenarioReading
import Testing

@testable import Scenario

struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    /// All messages, in order.
    let messages: [String]
    var settings: [Setting] = []
    var testDescription: String { messages.first ?? "valid" }

    init(_ text: String, _ messages: String..., settings: [Setting] = []) {
        self.text = text
        self.messages = messages
        self.settings = settings
    }
}

@Suite struct MessageTests {
    static let structure: [Case] = [
        Case(ScenarioText.step("expect: {diagnosis: {is: none}}")),
        Case("", "x.yaml:1:1: the file is empty"),
        Case(
            "- a\n",
            "x.yaml:1:1: the file must be a mapping with \"apiVersion\", \"kind\", \"metadata\", \"spec\", but a list "
                + "is given"),
        Case(
            "apiVersion: labrun.dev/v1alpha1\nkind: Scenario\nspec: {lab: eks-overlay, timeline: [{name: a, expect: "
                + "{diagnosis: {is: none}}}]}\n",
            "x.yaml:1:1: scenario has no \"metadata\"; expected a mapping with \"name\", \"title\""),
        Case("\u{FEFF}" + ScenarioText.step("expect: {diagnosis: {is: none}}")),
        Case(
            ScenarioText.step("title: !!str 4"),
            "x.yaml:15:14: YAML tags have no effect here; expected a value without a tag; put text in quotes"),
        Case(
            "a: !foo {}\n",
            "x.yaml:1:4: YAML tags have no effect here; expected a value without a tag; put text in quotes"),
        Case(
            ScenarioText.step("\"\\e[31mX\\n\\0\\x9b\\u202e\": 1"),
            "x.yaml:15:7: unknown key \"\\x1B[31mX \\x00\\x9B\\u{202E}\" in step; expected one of name, title, inject, "
                + "heal, apply, delete, set, scale, join, leave, wait, expect"),
        Case("a: [1\n", "x.yaml:2:1: not valid YAML: did not find expected ',' or ']', while parsing a flow sequence"),
        Case("a: *b\n", "x.yaml:1:4: not valid YAML: found undefined alias"),
        Case("a: \u{1}\n", "x.yaml:1:4: control character 1 in the file; expected UTF-8 text"),
        Case(
            ScenarioText.step("expct: {}"),
            "x.yaml:15:7: unknown key \"expct\" in step; did you mean \"expect\"?"),
        Case(
            ScenarioText.step("title: 3\ntitle: b"),
            "x.yaml:15:14: title must be text, but the number 3 is given; put it in quotes",
            "x.yaml:16:7: duplicate key \"title\", first given in line 15"),
        Case(
            ScenarioText.step("title: b\nname: c\n\"title\": d\ntitle: e"),
            "x.yaml:16:7: duplicate key \"name\", first given in line 14",
            "x.yaml:17:7: duplicate key \"title\", first given in line 15",
            "x.yaml:18:7: duplicate key \"title\", first given in line 15"),
        Case(
            ScenarioText.head.replacing("Scenario", with: "Scenari")
                + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:2:7: kind must be \"Scenario\", but \"Scenari\" is given; did you mean \"Scenario\"?"),
        Case(
            ScenarioText.head.replacing("name: x", with: "name: X y")
                + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:4:9: name must be a name of at most 63 lower-case letters, digits and dashes, but \"X "
                + "y\" is given"),
        Case(ScenarioText.head, "x.yaml:7:3: spec has no \"timeline\"; expected a list of at least 1"),
        Case(
            ScenarioText.head + "  timeline: []\n",
            "x.yaml:8:13: timeline must be a list of at least 1, but an empty list is given"),
        Case(
            ScenarioText.step("inject:"),
            "x.yaml:15:14: inject must be a mapping with \"fault\", but nothing is given"),
        Case(
            ScenarioText.step("expect: {within: 5}"),
            "x.yaml:15:24: within must be a duration from 100ms to 10m such as 200ms, 1.5s or 2m, but the "
                + "number 5 is given",
            "x.yaml:15:15: expect has none of matrix, health, wire, flowLogs, streams, drops, nodes, "
                + "identities, pods, objects, events, apiServer, diagnosis"
        ),
        Case(
            ScenarioText.step("expect: {within: 20m, diagnosis: {is: none}}"),
            "x.yaml:15:24: within must be a duration from 100ms to 10m such as 200ms, 1.5s or 2m, but "
                + "\"20m\" is given"),
    ]

    static let lab: [Case] = [
        Case(
            ScenarioText.head.replacing("eks-overlay", with: "eks-overly")
                + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:7:8: unknown lab \"eks-overly\"; did you mean \"eks-overlay\"?"),
        Case(
            ScenarioText.head.replacing("eks-overlay", with: "nothing.yaml")
                + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "nothing.yaml:1:1: there is no file nothing.yaml",
            "x.yaml:7:8: lab \"nothing.yaml\" has a mistake of its own"),
        Case(
            ScenarioText.head
                + "  overrides: {nodes: {count: 101}}\n  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:8:30: count must be a whole number from 1 to 64, but the number 101 is given"),
        Case(
            ScenarioText.head
                + "  overrides: {nodes: {kernel: 6.1}}\n  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:8:31: kernel: put 6.1 in quotes, so that it stays text; expected one of 5.10, 6.1, 6.12, 7.2"),
        Case(
            ScenarioText.head
                + "  overrides: {datapath: {values: {routingMod: tunnel, ipv6: {enabled: true}}}}\n  timeline: "
                + "[{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:8:35: unknown datapath value \"routingMod\"; did you mean \"routingMode\"?",
            "x.yaml:8:71: datapath value ipv6.enabled=true is not supported: the datapath has no IPv6; expected false"
        ),
        Case(
            ScenarioText.step("set: {datapath.values.tunnelProtocol: vxlam, nodes.count: 4}"),
            "x.yaml:15:45: datapath value tunnelProtocol cannot be \"vxlam\"; did you mean \"vxlan\"?",
            "x.yaml:15:65: nodes.count cannot be set in a running lab; expected datapath.values.NAME, "
                + "nodes.instanceType or kubeProxy.enabled"
        ),
        Case(ScenarioText.step("set: {}"), "x.yaml:15:12: set changes no value"),
        Case(
            ScenarioText.step("set: {datapath.values: {routingMode: {}}}"),
            "x.yaml:15:44: datapath value routingMode cannot be an empty mapping; expected one of tunnel, native"),
        Case(
            ScenarioText.step("heal: nope"),
            "x.yaml:15:13: no fault \"nope\" was injected before; expected the id of a fault in force, of which none is left"
        ),
        Case(
            ScenarioText.head
                + "  overrides: {datapath: {values: {routingMode: {}}}}\n  timeline: "
                + "[{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:8:48: datapath value routingMode cannot be an empty mapping; expected one of tunnel, native"),
        Case(
            ScenarioText.step("set: {kubeProxy: {enabled: maybe}}"),
            "x.yaml:15:34: kubeProxy.enabled must be true or false, but \"maybe\" is given"),
        Case(
            ScenarioText.head + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "--set:1:1: unknown path \"node.count\"; did you mean \"nodes.count\"?",
            settings: [Setting(path: "node.count", value: "4")]),
        Case(
            ScenarioText.head + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "--nodes:1:1: nodes.count must be a whole number from 1 to 64, but \"0\" is given",
            "--set:1:1: nodes.count must be a whole number from 1 to 64, but \"x\" is given",
            "--set:1:1: unknown datapath value \"routingmod\"; did you mean \"datapath.values.routingMode\"?",
            settings: [
                Setting(path: "nodes.count", value: "x"),
                Setting(path: "nodes.count", value: "0", option: "--nodes"),
                Setting(path: "datapath.values.routingmod", value: "tunnel"),
            ]),
    ]

    static let faults: [Case] = [
        Case(
            ScenarioText.step("inject: {fault: link-dwn, nodes: node1}"),
            "x.yaml:15:23: unknown fault \"link-dwn\"; did you mean \"link-down\"?"),
        Case(
            ScenarioText.step("inject: {falt: link-down, nodes: node1}"),
            "x.yaml:15:16: unknown key \"falt\" in fault; did you mean \"fault\"?"),
        Case(
            ScenarioText.step("inject: [{fault: link-down, nods: node1}]"),
            "x.yaml:15:16: fault link-down has no \"nodes\"; expected all, a node's name or a list of names",
            "x.yaml:15:35: unknown key \"nods\" in fault link-down; did you mean \"nodes\"?"),
        Case(
            ScenarioText.step("inject: {fault: link-down, nodes: [node1, nod2, all]}"),
            "x.yaml:15:49: no node \"nod2\" in the lab; did you mean \"node2\"?",
            "x.yaml:15:55: \"all\" stands alone, not in a list of nodes"),
        Case(
            ScenarioText.step("inject: {fault: netem, nodes: all, loss: 120%, delay: 5}"),
            "x.yaml:15:48: loss must be a share from 0 to 100 %, such as 3 or 2.5%, but \"120%\" is given",
            "x.yaml:15:61: delay must be a duration from 0ms to 10m such as 200ms, 1.5s or 2m, but the number "
                + "5 is given"
        ),
        Case(
            ScenarioText.step("inject: {fault: agent-kill, nodes: all, signal: 32, restart: yes}"),
            "x.yaml:15:55: signal must be a whole number from 1 to 31, but the number 32 is given",
            "x.yaml:15:68: restart must be true or false, but \"yes\" is given"),
        Case(
            ScenarioText.step("inject: {fault: security-group-rule, action: remove, group: node}"),
            "x.yaml:15:67: no security group \"node\" in lab eks-overlay; did you mean \"nodes\"?"),
        Case(
            ScenarioText.step("inject: {fault: security-group-rule, action: remove, group: nodes}"),
            "x.yaml:15:15: action remove needs \"rule\"; expected one of vxlan, icmp, tcp, nodeport-udp, egress"),
        Case(
            ScenarioText.step("inject: {fault: security-group-rule, action: remove, group: nodes, rule: vxlam}"),
            "x.yaml:15:80: no rule \"vxlam\" in security group nodes; did you mean \"vxlan\"?"),
        Case(
            ScenarioText.step("inject: {fault: security-group-rule, action: add, group: nodes, ports: 9-3}"),
            "x.yaml:15:78: ports must be a port such as 8472 or a range such as 30000-32767, but \"9-3\" is given"),
        Case(
            ScenarioText.step(
                "inject: [{fault: link-down, id: a, nodes: node1}, {fault: link-down, id: a, nodes: "
                    + "node2}]\nheal: [a, b, a]"
            ),
            "x.yaml:15:80: fault id \"a\" is already active since line 15; heal it first, or give another id",
            "x.yaml:16:17: no fault \"b\" was injected before; expected the id of a fault in force, of which none is left",
            "x.yaml:16:20: fault \"a\" is already healed"),
        Case(
            ScenarioText.step("inject: {fault: link-down, id: cable, nodes: node1}\nheal: cabel"),
            "x.yaml:16:13: no fault \"cabel\" was injected before; did you mean \"cable\"?"),
    ]

    static let expectations: [Case] = [
        Case(
            ScenarioText.expecting(
                "health: [{from: node4, reachable: 1/N}, {reachable: 4/N}, {reachable: 1/5}, {reachable: all}]"),
            "x.yaml:19:25: no node \"node4\" in the lab; did you mean \"node1\"?",
            "x.yaml:19:61: 4/N: the lab has 3 nodes", "x.yaml:19:79: 1/5: the lab has 3 nodes, not 5",
            "x.yaml:19:97: reachable must be a share of nodes such as 1/3, 1/N, N-1/N or N/N, but \"all\" is given"),
        Case(
            ScenarioText.expecting(
                "wire: [{protocol: udp, port: 8472}]\nflowLogs: [{action: DROP, protocol: icmp, port: 8}]"),
            "x.yaml:19:16: wire expectation has none of leaves, arrives",
            "x.yaml:20:29: action must be one of ACCEPT, REJECT, but \"DROP\" is given",
            "x.yaml:20:57: icmp has no port"),
        Case(
            ScenarioText.expecting("wire: [{protocol: udp, port: 8472, arrives: none, present: true}]"),
            "x.yaml:19:68: present and none are not given together"),
        Case(
            ScenarioText.expecting(
                "nodes: [{nodes: all, state: redy}]\nstreams: [{from: default/web-nod1, to: {}, maxGap: 5}]"),
            "x.yaml:19:37: state must be one of ready, crashed, paused, agent-down, agent-restarted, but "
                + "\"redy\" is given; did you mean \"ready\"?",
            "x.yaml:20:26: no endpoint \"default/web-nod1\" at this place; did you mean \"default/web-node1\"?",
            "x.yaml:20:60: maxGap must be a duration from 1ms to 10m such as 200ms, 1.5s or 2m, but the number "
                + "5 is given"
        ),
        Case(
            ScenarioText.expecting("").replacing(
                "to: {kind: pod}, outcome: open",
                with: "to: {kind: pod}, protocol: [tcp, udp, tcp], outcome: [open, open]"),
            "x.yaml:17:71: \"tcp\" is given twice in protocol", "x.yaml:17:93: \"open\" is given twice in outcome"),
        Case(
            ScenarioText.expecting("diagnosis: {is: none, mentions: [x]}"),
            "x.yaml:19:41: there is no finding that could mention anything where none is expected"),
        Case(
            ScenarioText.expecting("diagnosis: {is: vxlan blocked}"),
            "x.yaml:19:25: is must be none, unknown or a root cause such as underlay/vxlan-port-blocked, but "
                + "\"vxlan blocked\" is given"
        ),
        Case(
            ScenarioText.step(
                "expect:\n  matrix:\n    - {from: {kind: pod}, to: {kind: pod}, where: same-nod, outcome: opn}"),
            "x.yaml:17:57: where must be one of same-node, cross-node, but \"same-nod\" is given; did you "
                + "mean \"same-node\"?",
            "x.yaml:17:76: outcome must be an outcome such as open, timeout, unreachable(1) or loss(20), but "
                + "\"opn\" is given; did you mean \"open\"?"
        ),
        Case(
            ScenarioText.expecting("").replacing(
                "to: {kind: pod}, outcome", with: "to: {kind: pod}, protocol: [tcp, udp], outcome"),
            "x.yaml:16:9: no rule covers pod → pod, cross-node, icmp: 6 measured cells, for example "
                + "default/web-node1 → default/web-node2; expected a rule for every measured cell"
        ),
        Case(
            ScenarioText.expecting("").replacing(
                "to: {kind: pod}, outcome", with: "to: {kind: pod, labels: {app: wep}}, outcome"),
            "x.yaml:16:9: no rule covers pod → pod, cross-node, tcp, udp, icmp: 18 measured cells, for "
                + "example default/web-node1 → default/web-node2; expected a rule for every measured cell",
            "x.yaml:17:13: warning: this rule decides no measured cell of step \"first\""),
    ]

    static let workloads: [Case] = [
        Case(
            ScenarioText.head
                + "  workloads: [{kind: Pot, metadata: {name: a}}, {name: b}, {file: ../m.yaml}, {file: "
                + "no.yaml}]\n  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            "x.yaml:8:22: unknown kind \"Pot\"; did you mean \"Pod\"?",
            "x.yaml:8:49: workload has no \"kind\"; expected one of Pod, Deployment, DaemonSet, Namespace, "
                + "Service, EndpointSlice, NetworkPolicy, CiliumNetworkPolicy, List",
            "x.yaml:8:67: ../m.yaml is not below the scenario's folder", "x.yaml:8:86: there is no file no.yaml"),
        Case(
            ScenarioText.head + """
                  workloads:
                    - {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {nodeName: node9, hostNetwork: true}}
                    - {apiVersion: v1, kind: Deployment, metadata: {name: b}, spec: {replica: 3, template: {}}}
                    - {apiVersion: v1, kind: Pod, metadata: {name: a}}
                  timeline: [{name: a}, {name: a, expect: {diagnosis: {is: none}}}]

                """,
            "x.yaml:9:73: no node \"node9\" in the lab; did you mean \"node1\"?",
            "x.yaml:9:80: hostNetwork in pod's spec is not supported: no pod is placed by it",
            "x.yaml:10:20: apiVersion must be \"apps/v1\", but \"v1\" is given",
            "x.yaml:10:70: unknown key \"replica\" in Deployment's spec; did you mean \"replicas\"?",
            "x.yaml:11:52: Pod default/a is given twice",
            "x.yaml:12:32: step \"a\" is given twice, first in line 12"),
        Case(
            ScenarioText.step("scale: {deployment: wep, replicas: 3}\ndelete: {kind: DaemonSet, name: wbe}"),
            "x.yaml:15:27: no Deployment default/wep at this step",
            "x.yaml:16:39: no DaemonSet default/wbe at this step; did you mean \"web\"?"),
        Case(
            ScenarioText.step(
                "apply: {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 500, "
                    + "template: {}}}"
            ),
            "x.yaml:15:14: 503 pods and 3 nodes are more than 400 endpoints"),
    ]

    @Test("every mistake, with its place", arguments: structure + lab + faults + expectations + workloads)
    func messages(_ item: Case) {
        let found = ScenarioText.problems(item.text, settings: item.settings)
        #expect(Set(found) == Set(item.messages), "\(found.joined(separator: "\n"))")
    }

    @Test func sortedByPlace() {
        let found = ScenarioText.problems(ScenarioText.step("b: 1\na: 1\nexpect: {within: 1}"))
        #expect(found.map { $0.prefix(9) } == ["x.yaml:15", "x.yaml:16", "x.yaml:17", "x.yaml:17"])
    }

    @Test("names from a file cannot move the cursor of a terminal")
    func plain() {
        let hostile = "\u{1B}[31m\n\u{9B}\u{202E}"
        let problem = Problem(
            file: hostile, line: 1, column: 1, message: hostile, expected: hostile, suggestion: nil)
        let shown = "\\x1B[31m \\x9B\\u{202E}"
        #expect("\(problem)" == "\(shown):1:1: \(shown)")
        let error = ProblemReport([problem, problem])
        #expect(error.description == "\(problem)\n\(problem)")
    }

    @Test("a link that leads nowhere is not the shipped scenario of its name")
    func danglingLink() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "link-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder.appending(path: "lab"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (link, lab) = (folder.path + "/node-crash.yaml", folder.path + "/lab/eks-overlay.yaml")
        for path in [link, lab] {
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder.path + "/none")
        }
        let error = #expect(throws: ProblemReport.self) { try ScenarioLoader.source(of: link) }
        #expect(error?.problems.map(\.message) == ["\(link) is a link to a file that does not exist"])
        guard case .faulty(let problems) = ScenarioLoader.labProfiles.find("eks-overlay", folder.path + "/x.yaml")
        else {
            Issue.record("the lab of the same name that ships was taken")
            return
        }
        #expect(problems.map(\.message) == ["\(lab) is a link to a file that does not exist"])
    }

    @Test func knownDiagnoses() {
        let text = ScenarioText.expecting("diagnosis: {is: underlay/packet-los}")
        let found = ScenarioText.problems(text, diagnoses: ["underlay/packet-loss"])
        #expect(
            found == ["x.yaml:19:25: unknown diagnosis \"underlay/packet-los\"; did you mean \"underlay/packet-loss\"?"]
        )
    }

    @Test func settingsAct() throws {
        let loaded = try ScenarioLoader.load(
            "vxlan-blocked-8472", faults: testFaults,
            settings: [
                Setting(path: "nodes.count", value: "12"), Setting(path: "nodes.kernel", value: "6.12"),
                Setting(path: "nodes.memoryMiB", value: "256"),
            ])
        #expect(loaded.profile.nodeNames.count == 12 && loaded.profile.kernel == "6.12")
        #expect(loaded.scenario.spec.overrides.memoryMiB == 256)
    }

    @Test func unknownScenario() {
        #expect(throws: ProblemReport.self) { try ScenarioLoader.load("vxlan-blocked", faults: testFaults) }
        let error = #expect(throws: ProblemReport.self) { try ScenarioLoader.load("node-crush", faults: testFaults) }
        #expect(error?.problems.first?.suggestion == "node-crash")
    }

    @Test(
        "nearest names",
        arguments: [
            ("expct", "expect"), ("Expect", "expect"), ("xepect", "expect"), ("flow-logs", "flowLogs"), ("zzz", nil),
            ("", nil), ("timline", "timeline"),
        ] as [(String, String?)])
    func nearest(name: String, expected: String?) {
        #expect(NearestName.of(name, among: ["expect", "flowLogs", "timeline", "wire"]) == expected)
    }
}
