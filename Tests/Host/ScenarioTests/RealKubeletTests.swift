import Testing

@testable import Scenario

@Suite struct RealKubeletTests {
    private func parse(
        _ overrides: String, lab: String = "eks-control-plane", _ settings: [Setting] = []
    ) -> (profile: LabProfile?, problems: [String]) {
        let text =
            ScenarioText.head.replacing("lab: eks-overlay", with: "lab: \(lab)") + overrides + ScenarioText.workloads
            + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n"
        let parser = ScenarioParser(faults: testFaults, diagnoses: [], profiles: ScenarioLoader.labProfiles)
        let parsed = parser.parse(Array(text.utf8), file: "x.yaml", settings: settings)
        return (parsed.profile, parsed.problems.map(\.message))
    }

    private let real = Setting(path: "nodes.kubelet", value: "real")

    @Test func `nodes have the light kubelet unless a file says otherwise`() {
        #expect(parse("").profile?.kubelet == .light)
        #expect(NodeKubeletKind.light.minimumMemoryMiB == 0)
    }

    @Test func `a file and the command line can ask for the real one`() {
        let parsed = parse("  overrides: {nodes: {kubelet: real}}\n")
        #expect(parsed.problems.isEmpty, "\(parsed.problems)")
        #expect(parsed.profile?.kubelet == .real)
        #expect(parse("", [real]).profile?.kubelet == .real)
    }

    @Test func `a word that is none of the two is a mistake`() {
        let file = parse("  overrides: {nodes: {kubelet: reel}}\n").problems
        #expect(file.first?.contains("one of light, real") == true, "\(file)")
        let command = parse("", [Setting(path: "nodes.kubelet", value: "reel")]).problems
        #expect(command.first == #"nodes.kubelet must be one of light, real, but "reel" is given"#, "\(command)")
    }

    @Test func `a real kubelet needs a control plane, and a node that starts the agent`() {
        let off = Setting(path: "controlPlane.enabled", value: "false")
        #expect(parse("", [real, off]).problems.first?.hasPrefix("a real kubelet needs an API server") == true)
        let pod = Setting(path: "datapath.install", value: "daemonset")
        #expect(parse("", [real, pod]).problems.first?.hasPrefix("the agent's pod is the node's own") == true)
        let range = Setting(path: "datapath.values.ipam.mode", value: "kubernetes")
        #expect(parse("", [real, range]).problems.contains { $0.contains("spec.podCIDR") })
    }

    private func parse(_ overrides: String, _ settings: [Setting]) -> (profile: LabProfile?, problems: [String]) {
        parse(overrides, lab: "eks-control-plane", settings)
    }
}
