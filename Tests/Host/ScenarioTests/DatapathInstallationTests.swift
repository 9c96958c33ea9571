import JSON
import Testing

@testable import Scenario

@Suite struct DatapathInstallationTests {
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

    @Test func `agents are processes unless a file says otherwise`() {
        #expect(parse("").profile?.installation.kind == .process)
    }

    @Test func `a DaemonSet's placement is taken as it is written`() throws {
        let (profile, problems) = parse(
            """
              overrides:
                controlPlane: {enabled: true}
                datapath:
                  install: daemonset
                  daemonSet:
                    nodeSelector: {a: "1"}
                    tolerations: [{key: b, operator: Exists}]

            """)
        #expect(problems.isEmpty, "\(problems)")
        let installation = try #require(profile?.installation)
        #expect(installation.kind == .daemonSet)
        #expect(installation.placement["nodeSelector"]?["a"] == .string("1"))
        #expect(installation.placement["tolerations"]?.elements?.count == 1)
        #expect(installation.placement["affinity"] == nil)
    }

    @Test func `the command line can say it, and a lab without a control plane cannot have it`() {
        let setting = Setting(path: "datapath.install", value: "daemonset")
        let plane = Setting(path: "controlPlane.enabled", value: "true")
        #expect(parse("", [setting, plane]).profile?.installation.kind == .daemonSet)
        let off = Setting(path: "controlPlane.enabled", value: "false")
        #expect(parse("", [setting, off]).problems.first?.hasPrefix("a DaemonSet needs a control plane") == true)
        let wrong = parse("", [Setting(path: "datapath.install", value: "deamonset")]).problems
        #expect(wrong.first?.hasPrefix("datapath.install must be") == true, "\(wrong)")
    }

    private func parse(_ overrides: String, _ settings: [Setting]) -> (profile: LabProfile?, problems: [String]) {
        parse(overrides, lab: "eks-control-plane", settings)
    }
}
