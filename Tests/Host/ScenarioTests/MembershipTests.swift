import LabProfiles
import ScenarioReading
import Testing

@testable import Scenario

/// Nodes that are not there from the start: what a file may say of them at each step.
@Suite struct MembershipTests {
    private static let later = "  overrides: {nodes: {later: 1}}\n"

    /// A scenario in a lab of which node3 joins later. The steps' lines are from line 15 on.
    private static func file(_ steps: String, overrides: String = later) -> String {
        ScenarioText.head + overrides + ScenarioText.workloads + "  timeline:\n" + ScenarioText.indented(steps, by: 4)
            + "    - {name: last, expect: {diagnosis: {is: none}}}\n"
    }

    static let steps: [Case] = [
        Case(file("- {name: a, join: node3}\n- {name: b, leave: node3}\n- {name: c, join: all}")),
        Case(
            file("- {name: a, leave: [node1, node2], join: node3}"),
            "x.yaml:15:24: when node1 and node2 leave, no node is left"),
        Case(file("- {name: a, join: node3, leave: [node1, node2]}")),
        Case(
            file("- {name: a, join: node1}"),
            "x.yaml:15:23: node1 is there from the start, and joins no second time; expected one of node3"),
        Case(
            file("- {name: a, join: node3}\n- {name: b, join: node3}"),
            "x.yaml:16:23: node3 is there since line 15, and joins no second time; "
                + "expected \"nodes.later\" in the lab, or a node that has left"),
        Case(
            file("- {name: a, join: nod3}"),
            "x.yaml:15:23: no node \"nod3\" in the lab; did you mean \"node3\"?"),
        Case(
            file("- {name: a, leave: node3}"),
            "x.yaml:15:24: node3 is not there, and cannot leave; expected one of node1, node2"),
        Case(
            file("- {name: a, leave: all}"),
            "x.yaml:15:24: when all nodes leave, none is left; expected one of node1, node2"),
        Case(
            file("- {name: a, join: all}\n- {name: b, join: all}"),
            "x.yaml:16:23: every node of the lab is there already; "
                + "expected \"nodes.later\" in the lab, or a node that has left"),
        // Nobody can say when an autoscaler launches a machine.
        Case(
            file(
                "- {name: a, expect: {nodes: [{nodes: node3, state: ready}]}}",
                overrides: "  overrides: {controlPlane: {enabled: true, autoscaler: true}, nodes: {later: 1}}\n")),
        // Faults are on nodes that are there, and a node stays as long as one needs it.
        Case(
            file("- {name: a, inject: {fault: node-pause, nodes: node3}}"),
            "x.yaml:15:52: node3 is not there at this step: it has not joined, or has left; "
                + "expected one of node1, node2"),
        Case(
            file("- {name: a, inject: {fault: agent-kill, nodes: node2}}\n- {name: b, leave: node2}"),
            "x.yaml:16:24: node2 cannot leave: node2 must run until fault \"agent-kill\" of line 15 is healed"),
        Case(file("- {name: a, inject: {fault: agent-kill, nodes: all}, heal: agent-kill, join: node3}")),
    ]

    static let overrides: [Case] = [
        Case(
            file("- {name: a, join: node3}", overrides: "  overrides: {nodes: {later: 3}}\n"),
            "x.yaml:8:30: 3 of 3 nodes join later, so that none is there from the start; "
                + "expected a number below nodes.count"),
        Case(
            file("- {name: a}", overrides: "  overrides: {nodes: {taints: [{key: a/b, effect: NoSchedule}]}}\n"),
            "x.yaml:8:31: taints are for a scheduler, and the lab has no control plane: it places pods by itself, on "
                + "every node; expected a lab with controlPlane.enabled: true"),
        Case(
            file(
                "- {name: a}",
                overrides: "  overrides: {controlPlane: {enabled: true}, nodes: {taints: "
                    + "[{key: a/b, effect: NoSchedule}, {key: a/b, value: x, effect: NoSchedule}]}}\n"),
            "x.yaml:8:95: taint a/b:NoSchedule is given twice"),
        Case(
            file("- {name: a}", overrides: "  overrides: {nodes: {named: [{nodes: node4, labels: {a: b}}]}}\n"),
            "x.yaml:8:39: no node \"node4\" in the lab; did you mean \"node1\"?"),
        Case(
            file(
                "- {name: a}",
                overrides: "  overrides: {nodes: {labels: {kubernetes.io/os: linux, topology.kubernetes.io/zone: a}}}\n"
            ),
            "x.yaml:8:32: every kubelet sets label kubernetes.io/os itself"),
        Case(
            file("- {name: a}", overrides: "  overrides: {nodes: {labels: {node-role.kubernetes.io/x: \"\"}}}\n"),
            "x.yaml:8:32: no kubelet may set label node-role.kubernetes.io/x, whose namespace is Kubernetes' own"),
    ]

    @Test("every mistake, with its place", arguments: steps + overrides)
    func messages(_ item: Case) {
        let found = ScenarioText.problems(item.text)
        #expect(found == item.messages, "\(found.joined(separator: "\n"))")
    }

    @Test func `rules are held against the nodes that are there at their step`() {
        let rule =
            "expect: {matrix: [{from: {}, to: {}, outcome: open}, {from: {nodes: node3}, to: {}, outcome: open}]}"
        let early = ScenarioText.problems(Self.file("- {name: a, \(rule)}"))
        #expect(early.count == 1 && early[0].contains("node3 is not there at this step"), "\(early)")
        #expect(ScenarioText.problems(Self.file("- {name: a, join: node3, \(rule)}")) == [])
        let endpoint =
            "expect: {matrix: [{from: {}, to: {}, outcome: open}, {from: node/node3, to: {}, outcome: open}]}"
        let unknown = ScenarioText.problems(Self.file("- {name: a, \(endpoint)}"))
        #expect(unknown.count == 1 && unknown[0].contains("no endpoint \"node/node3\" at this place"), "\(unknown)")
        #expect(ScenarioText.problems(Self.file("- {name: a, join: node3, \(endpoint)}")) == [])
        // Pairs are for the whole timeline.
        let probes = "  probes: {pairs: [{from: {nodes: node3}, to: {}}, {from: {}, to: {}}]}\n"
        #expect(ScenarioText.problems(Self.file("- {name: a}", overrides: Self.later + probes)) == [])
    }

    @Test func `what is said of some nodes is added to what is said of all`() throws {
        let bytes = try #require(LabProfiles.bytes(of: "eks-control-plane"))
        let text = String(decoding: bytes, as: UTF8.self).replacing(
            "    count: 3\n",
            with: """
                    count: 3
                    later: 2
                    labels: {pool: base, zone: a}
                    taints: [{key: k, effect: NoSchedule}]
                    named:
                      - {nodes: [node2, node3], labels: {pool: spot}}
                      - {nodes: node3, taints: [{key: k, value: v, effect: NoSchedule}, {key: k, effect: NoExecute}]}

                """)
        let (profile, problems) = ScenarioParser.parseLab(Array(text.utf8), file: "lab.yaml")
        let lab = try #require(profile, "\(ProblemReport(problems))")
        #expect(lab.initialNodeNames == ["node1"])
        #expect(lab.laterNodeNames == ["node2", "node3"])
        #expect(lab.traits(of: "node1").words == "pool=base, zone=a, taint k:NoSchedule")
        #expect(lab.traits(of: "node2").words == "pool=spot, zone=a, taint k:NoSchedule")
        #expect(lab.traits(of: "node3").words == "pool=spot, zone=a, taint k=v:NoSchedule, taint k:NoExecute")
        var overrides = LabOverrides(nodeCount: 2)
        overrides.laterCount = 1
        overrides.traits = NodeTraits(labels: ["zone": "b"])
        let changed = lab.applying(overrides)
        #expect(changed.laterNodeNames == ["node2"])
        #expect(changed.traits(of: "node1").labels == ["pool": "base", "zone": "b"])
        overrides.laterCount = 9
        #expect(lab.applying(overrides).initialNodeNames == ["node1"])
    }

    @Test func `pods stay where they are while their nodes do`() {
        func workload(_ kind: Workload.Kind, _ name: String, replicas: Int = 1, node: String? = nil) -> Workload {
            Workload(
                kind: kind, namespace: "default", name: name, labels: [:], replicas: replicas, nodeName: node,
                port: 8080)
        }
        let workloads = [
            workload(.daemonSet, "agent"), workload(.deployment, "web", replicas: 3),
            workload(.pod, "free"), workload(.pod, "bound", node: "c"),
        ]
        func places(_ nodes: [String], _ known: [String: String]) -> [String: String] {
            let pods = WorkloadPlacement.pods(for: workloads, nodes: nodes, keeping: known)
            return Dictionary(pods.map { ($0.name, $0.node) }) { first, _ in first }
        }
        func known(_ places: [String: String]) -> [String: String] {
            Dictionary(places.map { ("default/\($0.key)", $0.value) }) { first, _ in first }
        }
        let two = places(["a", "b"], [:])
        #expect(two == ["agent-a": "a", "agent-b": "b", "web-1": "a", "web-2": "b", "web-3": "a", "free": "b"])
        let three = places(["a", "b", "c"], known(two))
        #expect(three == two.merging(["agent-c": "c", "bound": "c"]) { $1 })
        let left = places(["b", "c"], known(three))
        #expect(left["web-1"] == "b" && left["web-2"] == "b" && left["web-3"] == "b" && left["free"] == "b")
        #expect(left["agent-a"] == nil)
    }
}
