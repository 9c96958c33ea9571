import Diagnosis
import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

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

    package static let moment = JudgementMoment.lastRound
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
        expected.map { $0.judge(observation) }
    }

    private func judge(_ observation: Observation) -> ExpectationResult {
        let title = "diagnosis is \(id)"
        // The causes. The one that explains most failing cells comes first.
        let found = observation.findings
        let names = found.isEmpty ? "nothing" : found.map(\.id).joined(separator: ", ")
        let doubts = Self.doubts(observation)
        /// Returns the result if the diagnosis is not the expected one. With a doubt, it says nothing about the lab.
        func differs(_ message: String, doubt: String?) -> ExpectationResult {
            doubt.map { ExpectationResult(title, .inconclusive, "\(message); \($0)") }
                ?? ExpectationResult(title, .unmet, message)
        }
        /// The doubt about findings of which each is one that says nothing about the lab.
        func doubt(aboutAll findings: some Sequence<Finding>) -> String? {
            findings.allSatisfy { doubts[$0.id] != nil } ? doubts.values.min() : nil
        }
        if id == "none" {
            if found.isEmpty { return ExpectationResult(title, .met, "nothing to explain") }
            return differs("found \(names)", doubt: doubt(aboutAll: found))
        }
        guard let place = found.firstIndex(where: { $0.id == id }) else {
            return differs("found \(names)", doubt: doubts.values.min())
        }
        let finding = found[place]
        if let doubt = doubts[id] { return differs("found: \(finding.summary)", doubt: doubt) }
        let text = ([finding.summary] + finding.evidence).joined(separator: "\n")
        let missing = mentions.filter { !text.contains($0) }
        guard missing.isEmpty else {
            return differs(
                "found, but it does not name \(missing.joined(separator: ", ")): \(finding.summary)",
                doubt: doubts.values.min())
        }
        guard place == 0 else {
            return differs(
                "found, but behind \(found[0].id): \(finding.summary)", doubt: doubt(aboutAll: found[..<place]))
        }
        return ExpectationResult(title, .met, finding.summary)
    }

    /// Why findings say nothing about the lab, by id: nothing but missing answers supports them, and the host may have
    /// held the answers up, or their cells were not measured.
    private static func doubts(_ observation: Observation) -> [String: String] {
        let outcomes = Dictionary(observation.measurement.probes.map { ($0.key, $0.observed) }) { first, _ in first }
        return observation.silentFindings.compactMapValues { cells in
            if cells.contains(where: { outcomes[$0]?.lacksAnswers ?? false }) { return observation.silence.reason }
            let reason = observation.measurement.missing.values.min().map { ": \($0)" } ?? ""
            return "\(cells.count) cells were not measured\(reason)"
        }
    }
}
