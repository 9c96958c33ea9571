import LabProfiles
import Matrix
import ScenarioReading
import Testing

@testable import Scenario

@Suite struct PlacementTests {
    private func workload(_ kind: Workload.Kind, _ name: String, replicas: Int = 1, node: String? = nil) -> Workload {
        Workload(
            kind: kind, namespace: "default", name: name, labels: ["app": name], replicas: replicas, nodeName: node,
            port: 8080)
    }

    @Test func daemonSetsDeploymentsAndPods() {
        let pods = WorkloadPlacement.pods(
            for: [
                workload(.daemonSet, "agent"), workload(.deployment, "web", replicas: 4),
                workload(.pod, "free"), workload(.pod, "bound", node: "node1"), workload(.pod, "next"),
            ], nodes: ["node1", "node2", "node3"])
        #expect(
            pods.map { "\($0.endpointID)@\($0.node)" } == [
                "default/agent-node1@node1", "default/agent-node2@node2", "default/agent-node3@node3",
                "default/web-1@node1", "default/web-2@node2", "default/web-3@node3", "default/web-4@node1",
                "default/free@node2", "default/bound@node1", "default/next@node3",
            ])
        #expect(WorkloadPlacement.pods(for: [workload(.pod, "a")], nodes: []).isEmpty)
    }

    @Test func measuredCells() {
        let endpoints = WorkloadPlacement.endpoints(for: [workload(.daemonSet, "web")], nodes: ["node1", "node2"])
        #expect(endpoints.map(\.id) == ["node/node1", "node/node2", "default/web-node1", "default/web-node2"])
        let cells = ProbePlanSpec().cells(among: endpoints)
        // There are two ordered pairs of nodes and two of pods, over three protocols.
        #expect(cells.count == 12)
        #expect(Set(cells.map(\.key)).count == 12)
        #expect(cells.allSatisfy { $0.key.port == ($0.key.protocol == .icmp ? 0 : $0.to.port) })
        #expect(cells.contains { $0.key.to == "node/node2" && $0.key.port == 30080 })
    }

    @Test func explanation() throws {
        let loaded = try ScenarioLoader.load("vxlan-blocked-8472", faults: testFaults)
        let text = ScenarioExplanation(loaded, faults: testFaults).description
        for line in [
            "Lab eks-overlay: Three EKS nodes, pods in a VXLAN overlay",
            "  3 nodes (node1, node2, node3), kernel 6.1, 192 MiB each",
            "Workloads: 6 pods", "  node2: default/client-node2, default/web-node2",
            "Matrix: 108 cells (36 ordered pairs over tcp, udp, icmp)",
            "  2. blocked: The nodes' security group loses its rule for UDP 8472",
            "       - pod → pod, cross-node: timeout", "       - health from every node: 1 of all nodes reachable",
            "       - wire: no udp/8472 arrives at any node", "       - flow log: REJECT udp/8472 at every node",
            "       - diagnosis: underlay/vxlan-port-blocked, naming nodes, 8472, ingress",
        ] {
            #expect(text.contains(line + "\n"), "\(line)\n\n\(text)")
        }
    }

    @Test(
        "quantities",
        arguments: [
            ("200ms", 0.2), ("1.5s", 1.5), ("2m", 120), ("5", nil), ("-1s", nil), ("1e3s", nil), ("s", nil),
            (".5s", nil),
        ]
            as [(String, Double?)])
    func durations(text: String, seconds: Double?) {
        #expect(Units.seconds(text) == seconds)
    }

    @Test func portsPercentAndTimes() {
        #expect(Units.ports("8472") == 8472...8472 && Units.ports("30000-32767") == 30000...32767)
        for bad in ["0", "65536", "2-1", "1-2-3", "", "-", "a", "1-", "+1"] {
            #expect(Units.ports(bad) == nil, "\(bad)")
        }
        #expect(Units.percent("2.5%") == 2.5 && Units.percent("100") == 100 && Units.percent("100.1") == nil)
        #expect(
            Units.text(seconds: 0.2) == "200ms" && Units.text(seconds: 90) == "90s" && Units.text(seconds: 120) == "2m")
    }

    static let badLabs: [(change: (String, String), message: String)] = [
        (("10.0.0.0/24", "10.1.0.0/24"), "subnet 10.1.0.0/24 is not within the VPC's 10.0.0.0/16"),
        (("192.168.0.0/16", "10.0.0.0/8"), "the pods' 10.0.0.0/8 overlaps the VPC's 10.0.0.0/16"),
        (("maskSize: 24", "maskSize: 17"), "192.168.0.0/16 has room for 1 node with a /17 each, not 3"),
        (("securityGroups: [nodes]", "securityGroups: [node]"), "no security group \"node\"; did you mean \"nodes\"?"),
        (("ports: 8472, peer: self", "ports: 8472, peer: selff"), "unknown peer \"selff\"; did you mean \"self\"?"),
        (("protocol: icmp, peer", "protocol: icmp, ports: 8, peer"), "protocol icmp has no ports"),
        (("name: tcp", "name: icmp"), "rule \"icmp\" is given twice"),
    ]

    @Test("mistakes of lab files", arguments: badLabs.indices)
    func labMistakes(index: Int) throws {
        let (change, message) = Self.badLabs[index]
        let bytes = try #require(LabProfiles.bytes(of: "eks-overlay"))
        let text = String(decoding: bytes, as: UTF8.self).replacing(change.0, with: change.1)
        let (profile, problems) = ScenarioParser.parseLab(Array(text.utf8), file: "lab.yaml")
        #expect(profile == nil && problems.contains { $0.description.hasSuffix(": " + message) }, "\(problems)")
    }
}
