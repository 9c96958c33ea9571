import Diagnosis
import Observations
import Readings
import RunEvents
import ScenarioReading

/// The root cause that the evidence must lead to.
package struct DiagnosisExpectation: Codable, Sendable {
    /// The id of a root cause, such as `underlay/vxlan-port-blocked`, or `unknown`, or `none` if nothing may be found.
    package var id: String
    /// Texts that the finding's summary or evidence must name, such as a group, a port, a direction or a node.
    package var mentions: [String]
}

// MARK: Shape

extension DiagnosisExpectation: Expectation {
    package static let field = Field(
        "diagnosis",
        .object(
            ObjectShape(
                name: "diagnosis", help: "The root cause that the evidence must lead to.",
                fields: [
                    Field("is", .text(.diagnosis), required: true, "none, unknown, or a root cause."),
                    Field(
                        "mentions", .oneOrMore(.text(.nonEmpty)), "Texts that its summary or evidence must name."),
                ])), "The root cause that must be found, or none.")

    package static let moment = JudgementMoment.stepEnd
}

extension TextRule {
    /// The ids that a diagnosis may have, in scenario files and in reports.
    package static let diagnosis = TextRule(
        pattern: "^(none|unknown|[a-z0-9-]+/[a-z0-9-]+)$",
        expected: "none, unknown or a root cause such as underlay/vxlan-port-blocked"
    ) { text in
        if text == "none" || text == "unknown" { return true }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
            }
    }
}

// MARK: Reading

extension DiagnosisExpectation {
    package static func read(
        _ entry: YAMLValue.Entry, by reader: inout ExpectationReader
    ) -> [DiagnosisExpectation] {
        guard let id = entry.value["is"], let text = id.text else { return [] }
        if !reader.diagnoses.isEmpty, !["none", "unknown"].contains(text), !reader.diagnoses.contains(text) {
            reader.checker.report(
                id.place, "unknown diagnosis \"\(text)\"", expected: reader.diagnoses.oneOf,
                suggestion: NearestName.of(text, among: reader.diagnoses))
        }
        return [DiagnosisExpectation(id: text, mentions: entry.value["mentions"]?.texts ?? [])]
    }
}

// MARK: Words

extension DiagnosisExpectation {
    /// For example `diagnosis: underlay/vxlan-port-blocked, naming nodes, 8472, ingress`.
    package var words: String {
        let root = id == "none" ? "diagnosis: no root cause" : "diagnosis: \(id)"
        return mentions.isEmpty ? root : root + ", naming " + mentions.joined(separator: ", ")
    }
}

// MARK: Judgement

extension DiagnosisExpectation {
    package static func judge(
        _ expected: [DiagnosisExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.map { $0.judge(observation.findings) }
    }

    /// - Parameter found: The causes. The one that explains most failing cells comes first.
    private func judge(_ found: [Finding]) -> ExpectationResult {
        let title = "diagnosis is \(id)"
        let names = found.map(\.id).joined(separator: ", ")
        if id == "none" {
            return ExpectationResult(
                title, found.isEmpty ? .met : .unmet, found.isEmpty ? "nothing to explain" : "found \(names)")
        }
        guard let finding = found.first(where: { $0.id == id }) else {
            return ExpectationResult(title, .unmet, "found \(found.isEmpty ? "nothing" : names)")
        }
        let text = ([finding.summary] + finding.evidence).joined(separator: "\n")
        let missing = mentions.filter { !text.contains($0) }
        guard missing.isEmpty else {
            return ExpectationResult(
                title, .unmet,
                "found, but it does not name \(missing.joined(separator: ", ")): \(finding.summary)")
        }
        guard finding.id == found.first?.id else {
            return ExpectationResult(
                title, .unmet, "found, but behind \(found.first?.id ?? "another"): \(finding.summary)")
        }
        return ExpectationResult(title, .met, finding.summary)
    }
}
