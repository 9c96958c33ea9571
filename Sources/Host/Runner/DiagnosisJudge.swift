import Diagnosis
import RunEvents
import Scenario

extension Judge {
    func diagnosisResults(_ observation: Observation) -> [ExpectationResult] {
        guard let expected = expectations.diagnosis else { return [] }
        let title = "diagnosis is \(expected.id)"
        let found = observation.findings
        if expected.id == "none" {
            return [
                result(
                    title, found.isEmpty ? .met : .unmet,
                    found.isEmpty ? "nothing to explain" : "found \(found.map(\.id).joined(separator: ", "))")
            ]
        }
        guard let finding = found.first(where: { $0.id == expected.id }) else {
            let names = found.isEmpty ? "nothing" : found.map(\.id).joined(separator: ", ")
            return [result(title, .unmet, "found \(names)")]
        }
        let text = ([finding.summary] + finding.evidence).joined(separator: "\n")
        let missing = expected.mentions.filter { !text.contains($0) }
        guard missing.isEmpty else {
            return [
                result(
                    title, .unmet, "found, but it does not name \(missing.joined(separator: ", ")): \(finding.summary)")
            ]
        }
        guard finding.id == found.first?.id else {
            return [result(title, .unmet, "found, but behind \(found.first?.id ?? "another"): \(finding.summary)")]
        }
        return [result(title, .met, finding.summary)]
    }
}
