import Foundation
import RunEvents

/// How the event stream ended.
public enum StreamEnd: Sendable, Equatable {
    /// The stream was read to its end.
    case complete
    /// The lab died for this reason.
    case died(String)
    /// The user ended the run.
    case interrupted(String)
}

/// Folds the event stream into the report, without any file or clock.
///
/// The verdict is never better than the stream says, and it is worse where the stream's own evidence contradicts it: a
/// cell that was not measured is never green. A run does not pass if a fault has no proven effect, if a fault stays in
/// force, or if nothing was checked.
public struct ReportAssembler: Sendable {
    private var header: RunHeader
    private var lab: LabDescription?
    private var phases: [Phase: Double] = [:]
    private var runningPhases: [Phase: Double] = [:]
    private var steps: [Int: StepDraft] = [:]
    private var artifacts: [ArtifactRecord] = []
    private var result: RunResult?
    private var lastError: String?
    private var warnings: [String] = []
    private static let warningsKept = 100
    private var now = 0.0

    /// - Parameter header: What the caller knows of the run, for a lab that dies before it reports it.
    public init(header: RunHeader = .unknown) {
        self.header = header
    }

    public mutating func consume(_ event: RunEvent) {
        now = max(now, event.at)
        switch event.payload {
        case .runStarted(let started): header = started
        case .labDescribed(let description): lab = description
        case .phaseStarted(let phase): runningPhases[phase] = event.at
        case .phaseFinished(let phase, let seconds):
            runningPhases[phase] = nil
            phases[phase, default: 0] += seconds
        case .stepStarted(let step): steps[step.index] = StepDraft(header: step, at: event.at)
        case .fault(let step, let record): withStep(step) { $0.consume(record, at: event.at) }
        case .nodeJoined(let step, let record): withStep(step) { $0.consume(record) }
        case .applied(let step, let record): withStep(step) { $0.applied.append(record) }
        case .matrix(let step, let record):
            if !record.provisional { withStep(step) { $0.matrix = record } }
        case .health(let step, let records): withStep(step) { $0.health = records }
        case .hostLoad(let step, let load): withStep(step) { $0.host = load }
        case .diagnosis(let step, let record): withStep(step) { $0.diagnosis = record }
        case .expectation(let step, let result): withStep(step) { $0.expectations.append(result) }
        case .stepFinished(let step, let result): withStep(step) { $0.result = result }
        case .artifact(let record):
            if !artifacts.contains(where: { $0.path == record.path }) { artifacts.append(record) }
        case .apiRequests(let counts): lab?.controlPlane?.requests = counts
        case .log(let record):
            let text = "\(record.source): \(record.message)"
            if record.level == .error { lastError = text }
            if record.level == .error || record.level == .warning, warnings.count < Self.warningsKept,
                !warnings.contains(text)
            {
                warnings.append(text)
            }
        case .runFinished(let finished): result = finished
        case .node, .labHandover: break
        }
    }

    /// Returns the report of all events so far. If the stream reported an orderly end, a later death does not count.
    public func finish(_ end: StreamEnd = .complete) -> RunReport {
        let order = steps.keys.sorted()
        var running = phases
        for (phase, since) in runningPhases where result == nil { running[phase, default: 0] += max(0, now - since) }
        var finished = order.compactMap { steps[$0]?.finish(ended: end, now: now) }
        judgeFaultsLeftBehind(&finished)
        let (verdict, message) = overall(end, finished)
        let started = Set(order)
        return RunReport(
            tool: header.tool, host: header.host, seed: header.seed,
            scenario: .init(
                name: header.scenario.name, title: header.scenario.title, file: header.scenario.file,
                sha256: header.scenario.sha256, labels: header.scenario.labels),
            lab: lab, verdict: verdict, message: message, startedAt: header.startedAt,
            durationSeconds: result?.durationSeconds ?? now,
            phases: Dictionary(uniqueKeysWithValues: running.map { ($0.key.rawValue, $0.value) }),
            steps: finished,
            stepsNotRun: header.scenario.steps.indices.filter { !started.contains($0) }.map {
                header.scenario.steps[$0]
            },
            artifacts: artifacts.map { .init(path: $0.path, kind: $0.kind) }, warnings: warnings)
    }

    private mutating func withStep(_ index: Int, _ change: (inout StepDraft) -> Void) {
        let names = header.scenario.steps
        let name = names.indices.contains(index) ? names[index] : "step-\(index + 1)"
        var step =
            steps[index]
            ?? StepDraft(
                header: StepHeader(
                    index: index, name: name, title: "", actions: [],
                    startedAt: header.startedAt.addingTimeInterval(now)), at: now)
        change(&step)
        steps[index] = step
    }

    private func overall(_ end: StreamEnd, _ steps: [RunReport.Step]) -> (Verdict, String) {
        guard let result else {
            let place = steps.last { $0.unfinished }.map { " in step \($0.name)" } ?? phasePlace
            let last = lastError.map { "; last error: \($0)" } ?? ""
            switch end {
            case .interrupted(let reason): return (.interrupted, "interrupted\(place): \(reason)")
            case .died(let reason): return (.infraError, "the lab died\(place): \(reason)\(last)")
            case .complete:
                return (.infraError, "the lab's event stream ended\(place) without a result\(last)")
            }
        }
        var verdicts = steps.map(\.verdict)
        verdicts.append(result.verdict)
        let worst = Verdict.worst(of: verdicts)
        if worst == result.verdict {
            if worst == .pass, !notRun.isEmpty {
                return (.inconclusive, "steps were not run: \(notRun.joined(separator: ", "))")
            }
            if worst == .pass, !steps.contains(where: { $0.expectations.contains { $0.state != .skipped } }) {
                return (.inconclusive, "no expectation was checked")
            }
            return (worst, result.message)
        }
        let step = steps.first { $0.verdict == worst }
        let reason = step?.message ?? step?.expectations.first { $0.state != .met && $0.state != .skipped }?.message
        return (worst, "step \(step?.name ?? "?"): \(reason ?? worst.rawValue)")
    }

    private var phasePlace: String {
        runningPhases.max { $0.value < $1.value }.map { " in phase \($0.key.rawValue)" } ?? ""
    }

    private var notRun: [String] {
        header.scenario.steps.indices.filter { steps[$0] == nil }.map { header.scenario.steps[$0] }
    }

    /// A fault that was not healed after its last injection is a leftover of the last step that mentions it. A run that
    /// the lab or the user ended had no chance to heal, so there only a fault that was found dirty counts.
    private func judgeFaultsLeftBehind(_ steps: inout [RunReport.Step]) {
        guard let result else { return }
        var last: [String: (step: Int, state: FaultRecord.State)] = [:]
        for (index, step) in steps.enumerated() {
            for fault in step.faults {
                // A refused action changes nothing about what is in force.
                guard let state = fault.history.last(where: { $0.state != .refused })?.state else { continue }
                last[fault.id] = (index, state)
            }
        }
        let couldHeal = ![.infraError, .interrupted].contains(result.verdict)
        for (id, entry) in last.sorted(by: { $0.key < $1.key }) {
            switch entry.state {
            case .healed, .refused: break
            case .dirty: steps[entry.step].worsen(to: .dirtyRollback, "fault \(id) was not rolled back cleanly")
            case .injected, .verified, .unproven:
                if couldHeal { steps[entry.step].worsen(to: .dirtyRollback, "fault \(id) was never healed") }
            }
        }
    }
}

extension RunHeader {
    /// The header of a run about which nothing is known.
    public static let unknown = RunHeader(
        tool: .init(version: "unknown", revision: "unknown"),
        host: .init(kernel: "unknown", cpus: 0, accelerator: "unknown"),
        seed: 0,
        scenario: .init(name: "unknown", title: "", file: "", sha256: "", labels: [:], steps: []),
        startedAt: Date(timeIntervalSince1970: 0))
}
