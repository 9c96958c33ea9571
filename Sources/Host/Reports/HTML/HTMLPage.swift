import Foundation
import Readings
import RunEvents

/// The values with which the page's template is rendered. All of them are plain text, which the template escapes. The
/// template looks a missing key up in the surrounding context, so optional parts have names of their own.
struct HTMLPage {
    let report: RunReport
    private let glyphs = Glyphs(unicode: true)

    init(_ report: RunReport) { self.report = report }

    /// How many unmet expectations are shown at the top. The others are with their steps.
    private static let mostUnmet = 20

    var context: [String: Any] {
        let unmet = self.unmet
        let diagnosis = self.diagnosis
        var context: [String: Any] = [
            "name": report.scenario.name, "message": report.message, "verdict": report.verdict.rawValue,
            "verdictWord": report.verdict.rawValue.uppercased(), "verdictGlyph": glyphs.mark(report.verdict),
            "facts": facts, "hasUnmet": !unmet.isEmpty, "unmet": Array(unmet.prefix(Self.mostUnmet)),
            "hasDiagnosis": !diagnosis.isEmpty, "diagnosis": diagnosis,
            "timeline": HTMLTimeline(report: report).svg, "phases": phases,
            "steps": report.steps.indices.map(step), "hasNotRun": !report.stepsNotRun.isEmpty,
            "notRun": report.stepsNotRun.joined(separator: ", "), "hasWarnings": !report.warnings.isEmpty,
            "warnings": report.warnings, "hasArtifacts": !report.artifacts.isEmpty,
            "artifacts": report.artifacts.map(artifact), "version": report.tool.version,
            "revision": report.tool.revision, "file": report.scenario.file, "sha256": report.scenario.sha256,
            "started": report.startedAt.formatted(Date.ISO8601FormatStyle()),
            "hasRequests": requests?.clients.isEmpty == false,
        ]
        if let requests { context.merge(HTMLRequests(requests).context) { _, new in new } }
        if !report.scenario.title.isEmpty { context["title"] = report.scenario.title }
        if unmet.count > Self.mostUnmet {
            context["moreUnmet"] = "and \(unmet.count - Self.mostUnmet) more, listed with their steps"
        }
        return context
    }

    // MARK: The top

    private var requests: APIRequestCounts? { report.lab?.controlPlane?.requests }

    private var facts: [[String: Any]] {
        let kernels = Set((report.lab?.nodes ?? []).map(\.kernel)).sorted().joined(separator: ", ")
        let facts = [
            ("Duration", shortSeconds(report.durationSeconds)),
            ("Steps", counted(report.steps.count + report.stepsNotRun.count, "step", "steps")),
            ("Nodes", String(report.lab?.nodes.count ?? 0)), ("Kernel", kernels),
            ("Profile", report.lab?.profile ?? ""), ("Lab", report.lab?.origin ?? ""),
            ("Control plane", report.lab?.controlPlane.map { "\($0.version) at \($0.address)" } ?? ""),
            ("Mode", report.lab?.datapath["routingMode"] ?? ""), ("Seed", String(report.seed)),
            ("Host", "\(report.host.kernel), \(report.host.cpus) CPUs, \(report.host.accelerator)"),
        ]
        return facts.filter { !$0.1.isEmpty }.map { ["label": $0.0, "value": $0.1] }
    }

    private var unmet: [[String: Any]] {
        report.steps.enumerated().flatMap { index, step in
            step.expectations.filter { $0.state != .met && $0.state != .skipped }.map { result in
                [
                    "state": result.state.rawValue, "step": index + 1, "stepName": step.name, "name": result.name,
                    "message": result.message, "hasWhy": !result.why.isEmpty, "why": result.why.prefix(40).map(why),
                ]
            }
        }
    }

    private func why(_ entry: WhyEntry) -> [String: Any] {
        var out: [String: Any] = [
            "mark": glyphs.mark(entry.seen), "hop": entry.hop, "detail": entry.detail,
            "kind": entry.seen.map { $0 ? "seen-yes" : "seen-no" } ?? "",
        ]
        if let node = entry.node { out["node"] = node }
        if let seen = entry.seen { out["seenText"] = seen ? "(seen)" : "(not seen)" }
        return out
    }

    /// The findings of all steps. Equal ones are listed once, with the names of their steps.
    private var diagnosis: [[String: Any]] {
        var order: [String] = []
        var found: [String: (finding: Finding, steps: [String], note: String)] = [:]
        for step in report.steps {
            for finding in step.diagnosis?.found ?? [] {
                let key = finding.id + "\0" + finding.summary
                if found[key] == nil { order.append(key) }
                let expected = step.diagnosis?.expected
                let note = expected.map { $0 == finding.id ? ", as expected" : ", expected was \($0)" } ?? ""
                found[key] = (finding, (found[key]?.steps ?? []) + [step.name], note)
            }
        }
        return order.prefix(20).compactMap { key in
            guard let entry = found[key] else { return nil }
            let sure = entry.finding.confidence.isFinite ? max(0, min(1, entry.finding.confidence)) : 0
            var out: [String: Any] = [
                "id": entry.finding.id, "summary": entry.finding.summary, "steps": MatrixWords.listed(entry.steps),
                "confidence": Int(sure * 100 + 0.5), "expectedNote": entry.note,
                "hasEvidence": !entry.finding.evidence.isEmpty, "evidence": Array(entry.finding.evidence.prefix(60)),
            ]
            if !entry.finding.fix.isEmpty { out["fix"] = entry.finding.fix }
            return out
        }
    }

    private var phases: String {
        Phase.allCases.compactMap { phase in
            report.phases[phase.rawValue].map { "\(phase.rawValue) \(shortSeconds($0))" }
        }.joined(separator: " · ")
    }

    private func artifact(_ artifact: RunReport.Artifact) -> [String: Any] {
        var out: [String: Any] = [
            "path": artifact.path, "kind": artifact.kind, "bytes": artifact.bytes.map(String.init) ?? "",
            "digest": artifact.sha256 ?? artifact.error ?? "",
        ]
        // Only a file that was measured gets a link, relative to the folder.
        if artifact.sha256 != nil {
            out["href"] = artifact.path.split(separator: "/").map {
                $0.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-._"))) ?? ""
            }.joined(separator: "/")
        }
        return out
    }

    // MARK: A step

    private func step(_ index: Int) -> [String: Any] {
        let step = report.steps[index]
        var times = "from \(shortSeconds(step.offsetSeconds)), took \(shortSeconds(step.durationSeconds))"
        if let converged = step.convergenceSeconds { times += ", converged after \(shortSeconds(converged))" }
        if let host = step.host { times += "; host: \(host.words)" }
        let done = step.actions + (step.joins ?? []).map(\.words) + (step.applied ?? []).map(\.words)
        var out: [String: Any] = [
            "number": index + 1, "index": index, "name": step.name, "verdict": step.verdict.rawValue,
            "glyph": glyphs.mark(step.verdict), "times": times, "hasActions": !done.isEmpty,
            "actions": done, "hasFaults": !step.faults.isEmpty, "faults": step.faults.map(fault),
            "hasHealth": !step.health.isEmpty, "health": step.health.map(health),
            "hasExpectations": !step.expectations.isEmpty, "expectations": step.expectations.map(expectation),
        ]
        if !step.title.isEmpty { out["stepTitle"] = step.title }
        if let message = step.message { out["stepMessage"] = message }
        if let matrix = step.matrix { out.merge(self.matrix(matrix, of: index)) { _, new in new } }
        return out
    }

    private func matrix(_ matrix: RunReport.Matrix, of index: Int) -> [String: Any] {
        let checked = matrix.cells.count { $0.verdict != .unchecked }
        let good = matrix.cells.count { $0.verdict == .pass }
        let silent = matrix.cells.count { $0.verdict == .notMeasured }
        let deviations = MatrixWords.deviations(matrix)
        var out: [String: Any] = [
            "hasMatrix": true,
            "matrixSummary": "\(matrix.endpoints.count) endpoints, \(good) of \(checked) cells as expected"
                + (silent > 0 ? ", \(silent) not measured" : "") + ", measured in \(shortSeconds(matrix.seconds))",
            "hasDeviations": !deviations.isEmpty, "deviations": Array(deviations.prefix(40)), "hasChanges": false,
        ]
        guard let before = report.steps[..<index].last(where: { $0.matrix != nil }), let old = before.matrix else {
            return out
        }
        let changes = MatrixWords.changes(from: old, to: matrix)
        out["changesTitle"] = changes.isEmpty ? "Unchanged against \(before.name)." : "Changed against \(before.name):"
        out["hasChanges"] = !changes.isEmpty
        out["changes"] = Array(changes.prefix(40))
        return out
    }

    private func fault(_ fault: RunReport.Fault) -> [String: Any] {
        [
            "id": fault.id, "kind": fault.kind, "targets": MatrixWords.listed(fault.targets),
            "state": fault.state.rawValue,
            "history": fault.history.map { "\($0.state.rawValue) at \(shortSeconds($0.at))" }.joined(separator: ", "),
            "evidence": Array(fault.evidence.prefix(40)),
        ]
    }

    private func health(_ record: HealthRecord) -> [String: Any] {
        let missing = record.peers.filter { !$0.node || !$0.endpoint }.map { peer in
            peer.node ? "\(peer.name) (endpoint)" : peer.endpoint ? "\(peer.name) (node)" : peer.name
        }
        return [
            "node": record.node, "reachable": record.reachable, "total": record.total,
            "class": record.reachable == record.total ? "good" : "neutral",
            "missing": MatrixWords.listed(missing, limit: 12),
        ]
    }

    private func expectation(_ result: ExpectationResult) -> [String: Any] {
        let late = result.metLate
        return [
            "name": result.name, "class": late == nil ? result.state.rawValue : "flaky",
            "glyph": glyphs.mark(result.state), "state": late ?? result.state.rawValue,
            "message": result.message,
        ]
    }
}
