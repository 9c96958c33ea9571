import Foundation
import PlainText
import Readings
import RunEvents

/// Writes `junit.xml`. A scenario is a suite. Each expectation of a step is a case. Each fault is a case that says
/// whether its effect was proven, and another one that says whether it was healed.
///
/// A run that did not pass always has a case that is not green, because some readers only count cases.
public final class JUnitReporter: Reporter {
    private let file: ReportFile
    private let folder: String

    /// - Parameters:
    ///   - path: The file: `junit.xml` of the report folder, or the one that `--junit` names.
    ///   - folder: The report folder as the CI job sees it. The paths of attachments begin with it.
    public init(path: String, folder: ReportFolder) {
        file = ReportFile(path: path)
        self.folder = folder.path
    }

    public func finish(_ report: RunReport) throws {
        try file.replace(with: try Self.xml([(report, folder)]))
    }

    /// Returns the document for several runs, each with its own report folder as the CI job sees it. Readers tell
    /// suites apart by their names, so a scenario's name that occurs again is numbered.
    public static func xml(_ runs: [(report: RunReport, folder: String)]) throws -> Data {
        let names = runs.map(\.report.scenario.name).numbered
        let suites = zip(runs, names).map { run, name in
            var report = run.report
            report.scenario.name = name
            return JUnitSuite(report, folder: run.folder)
        }
        return try JUnitDocument(suites: suites).xml()
    }
}

extension JUnitSuite {
    init(_ report: RunReport, folder: String) {
        var cases: [JUnitCase] = []
        for (index, step) in report.steps.enumerated() {
            cases += JUnitStep(report: report, index: index, step: step, folder: folder).cases()
        }
        for name in report.stepsNotRun {
            var entry = JUnitCase.of(report, place: name, name: "step \(name)")
            entry.skipped = .init(type: "not-run", message: "the step was not run: \(report.message)")
            cases.append(entry)
        }
        if report.verdict != .pass, !cases.contains(where: { $0.failure != nil || $0.error != nil }) {
            var entry = JUnitCase.of(report, place: "run", name: "verdict")
            let remark = JUnitCase.Remark(type: report.verdict.rawValue, message: report.message)
            if report.verdict == .fail { entry.failure = remark } else { entry.error = remark }
            cases.append(entry)
        }
        self.init(
            name: PlainText.xml(report.scenario.name), seconds: report.durationSeconds,
            timestamp: report.startedAt.formatted(Date.ISO8601FormatStyle()),
            properties: Self.properties(report), cases: cases)
    }

    private static func properties(_ report: RunReport) -> [Property] {
        let kernels = Set((report.lab?.nodes ?? []).map(\.kernel)).sorted().joined(separator: " ")
        let mode = report.lab?.datapath["routingMode"] ?? "unknown"
        let loads = report.steps.compactMap { step in step.host.map { ("host in step \(step.name)", $0.words) } }
        let facts = [
            ("kernel", kernels.isEmpty ? "unknown" : kernels), ("mode", mode),
            ("profile", report.lab?.profile ?? "unknown"), ("seed", String(report.seed)),
            ("revision", report.tool.revision), ("verdict", report.verdict.rawValue),
        ]
        let lab = report.lab?.origin.map { [("lab", $0)] } ?? []
        return (facts + lab + loads).map {
            Property(name: PlainText.xml($0.0, limit: 1_000), value: PlainText.xml($0.1, limit: 2_000))
        }
    }
}

extension JUnitCase {
    static func of(_ report: RunReport, place: String, name: String, seconds time: Double = 0) -> JUnitCase {
        JUnitCase(
            name: PlainText.xml(name, limit: 1_000),
            classname: PlainText.xml("labrun.\(report.scenario.name).\(place)", limit: 1_000), time: seconds(time),
            file: PlainText.xml(report.scenario.file, limit: 4_096))
    }
}

/// The cases of one step.
private struct JUnitStep {
    let report: RunReport
    let index: Int
    let step: RunReport.Step
    let folder: String

    func cases() -> [JUnitCase] {
        var taken: [String: Int] = [:]
        /// Readers tell cases apart by their names, so a name that comes again is numbered.
        func unique(_ name: String) -> String {
            let count = taken[name, default: 0] + 1
            taken[name] = count
            return count == 1 ? name : "\(name) (\(count))"
        }
        var cases = step.faults.flatMap { fault in
            [effect(of: fault), healing(of: fault)].compactMap { entry in
                entry.map { entry in
                    var entry = entry
                    entry.name = unique(entry.name)
                    return entry
                }
            }
        }
        cases += step.expectations.map { expectation($0, name: unique($0.name)) }
        if step.verdict != .pass, !cases.contains(where: { $0.failure != nil || $0.error != nil }) {
            cases.append(ownCase)
        }
        return cases
    }

    /// The case for the fault's effect. It is nil if the step only healed the fault.
    private func effect(of fault: RunReport.Fault) -> JUnitCase? {
        let started: Set<FaultRecord.State> = [.injected, .verified, .unproven, .refused]
        guard fault.history.contains(where: { started.contains($0.state) }) else { return nil }
        var entry = JUnitCase.of(report, place: step.name, name: "fault \(fault.id) is proven")
        guard let doubt = fault.doubt else { return entry }
        let refused = fault.history.contains { $0.state == .refused }
        entry.error = .init(type: refused ? "refused" : "unproven", message: doubt, details: fault.evidence)
        entry.systemOut = attachments
        return entry
    }

    /// The case for the fault's healing. It is nil if the step did not try to heal it.
    private func healing(of fault: RunReport.Fault) -> JUnitCase? {
        guard let end = fault.history.last(where: { $0.state == .healed || $0.state == .dirty }) else { return nil }
        var entry = JUnitCase.of(report, place: step.name, name: "fault \(fault.id) is healed")
        guard end.state == .dirty else { return entry }
        entry.error = .init(
            type: Verdict.dirtyRollback.rawValue, message: "fault \(fault.id) was not rolled back cleanly",
            details: fault.evidence)
        entry.systemOut = attachments
        return entry
    }

    private func expectation(_ result: ExpectationResult, name: String) -> JUnitCase {
        var entry = JUnitCase.of(report, place: step.name, name: name, seconds: result.seconds)
        let why = result.why.map(\.sentence)
        switch result.state {
        case .met where result.retries > 0:
            entry.flakyFailure = .init(
                type: "flaky", message: "\(result.metLate ?? "met"): \(result.message)", details: why)
        case .met: break
        case .unmet where step.verdict == .infraError || step.verdict == .interrupted:
            let cause = step.message.map { ": \($0)" } ?? ""
            entry.error = .init(
                type: "lab", message: "not judged, the lab failed in this step\(cause)", details: [result.message] + why
            )
        case .unmet:
            entry.failure = .init(type: "expectation", message: result.message, details: why + diagnosis + host)
        case .inconclusive:
            entry.error = .init(type: "inconclusive", message: result.message, details: why + host)
        case .error: entry.error = .init(type: "lab", message: result.message, details: why)
        case .skipped: entry.skipped = .init(type: "not-run", message: result.message, details: why)
        }
        if entry.failure != nil || entry.error != nil || entry.flakyFailure != nil { entry.systemOut = attachments }
        return entry
    }

    /// The case for what no other case reports, such as a lab that died or cells that could not be measured.
    private var ownCase: JUnitCase {
        var entry = JUnitCase.of(report, place: step.name, name: "step \(step.name)", seconds: step.durationSeconds)
        let remark = JUnitCase.Remark(
            type: step.verdict.rawValue, message: step.message ?? report.message, details: faults + diagnosis + host)
        if step.verdict == .fail { entry.failure = remark } else { entry.error = remark }
        entry.systemOut = attachments
        return entry
    }

    private var faults: [String] {
        step.faults.map { "fault \($0.id): \($0.state.rawValue). \($0.evidence.joined(separator: " "))" }
    }

    private var host: [String] { step.host.map { ["host: \($0.words)"] } ?? [] }

    private var diagnosis: [String] {
        (step.diagnosis?.found ?? []).map { "diagnosis \($0.id): \($0.summary) Fix: \($0.fix)" }
    }

    /// The attachments, with the matrix picture first, because GitLab shows only the first one.
    private var attachments: String? {
        let picture = MatrixPicture.path(step: index)
        let pictures = step.matrix == nil ? [] : [picture]
        let paths = pictures + report.artifacts.filter { $0.error == nil && $0.path != picture }.prefix(20).map(\.path)
        guard !paths.isEmpty else { return nil }
        return paths.map { "[[ATTACHMENT|\(PlainText.xml(folder.appending(path: $0), limit: 4_096))]]" }
            .joined(separator: "\n")
    }
}

extension WhyEntry {
    /// For example `sender-tap node1: VXLAN to 10.0.0.12 left (seen)`.
    var sentence: String {
        let mark = seen.map { $0 ? " (seen)" : " (not seen)" } ?? ""
        return "\(hop)\(node.map { " \($0)" } ?? ""): \(detail)\(mark)"
    }
}

func counted(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }

extension ExpectationResult {
    /// "met after 2 retries; before: 10 of 12 cells are open", or nil if it was met at once or is not met.
    var metLate: String? {
        guard state == .met, retries > 0 else { return nil }
        return "met after \(counted(retries, "retry", "retries"))" + (lastUnmet.map { "; before: \($0)" } ?? "")
    }
}
