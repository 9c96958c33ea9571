@testable import Scenario

/// Scenario files for tests, put together from lines, so that a table can change one of them.
enum ScenarioText {
    static let head = """
        apiVersion: labrun.dev/v1alpha1
        kind: Scenario
        metadata:
          name: x
          title: A title
        spec:
          lab: eks-overlay

        """

    static let workloads = """
          workloads:
            - apiVersion: apps/v1
              kind: DaemonSet
              metadata: {name: web}
              spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: echo}]}}}

        """

    static let rules = """
                matrix:
                  - {from: {kind: pod}, to: {kind: pod}, outcome: open}
                  - {from: {kind: node}, to: {kind: node}, outcome: open}

        """

    /// A scenario whose first step has the lines, indented by six, and whose second step expects something.
    static func step(_ lines: String) -> String {
        unexpecting(lines) + "    - {name: last, expect: {diagnosis: {is: none}}}\n"
    }

    /// A scenario with a single step, which has the lines, indented by six.
    static func unexpecting(_ lines: String) -> String {
        head + workloads + "  timeline:\n    - name: first\n" + indented(lines)
    }

    /// A scenario with a step that expects the lines, indented by eight, while every cell is covered.
    static func expecting(_ lines: String) -> String {
        head + workloads + "  timeline:\n    - name: first\n      expect:\n" + rules + indented(lines, by: 8)
    }

    static func indented(_ lines: String, by count: Int = 6) -> String {
        lines.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : String(repeating: " ", count: count) + $0 }.joined(separator: "\n") + "\n"
    }

    /// Returns the mistakes in a generated scenario and its lab.
    static func problems(of generated: ConfigurationScenario) -> [String] {
        let profiles = LabProfileSource { _, _ in
            let (profile, problems) = ScenarioParser.parseLab(Array(generated.lab.utf8), file: "lab.yaml")
            return profile.map { .profile($0) } ?? .faulty(problems)
        }
        return ScenarioParser(faults: testFaults, diagnoses: [], profiles: profiles)
            .parse(Array(generated.text.utf8), file: "matrix.yaml", settings: []).problems.map(\.description)
    }

    static func problems(
        _ text: String, settings: [Setting] = [], diagnoses: [String] = []
    ) -> [String] {
        let parser = ScenarioParser(faults: testFaults, diagnoses: diagnoses, profiles: ScenarioLoader.labProfiles)
        let parsed = parser.parse(Array(text.utf8), file: "x.yaml", settings: settings)
        return parsed.problems.map(\.description)
    }
}
