import Foundation
import Matrix
import RunEvents

/// A step of which not all events have arrived.
struct StepDraft: Sendable {
    let header: StepHeader
    let at: Double
    var faults: [RunReport.Fault] = []
    var joins: [NodeJoinRecord] = []
    var applied: [AppliedRecord] = []
    var matrix: MatrixRecord?
    var health: [HealthRecord] = []
    var host: HostLoad?
    var diagnosis: DiagnosisRecord?
    var expectations: [ExpectationResult] = []
    var result: StepResult?

    init(header: StepHeader, at: Double) {
        self.header = header
        self.at = at
    }

    mutating func consume(_ record: FaultRecord, at time: Double) {
        let transition = RunReport.Fault.Transition(at: time, state: record.state)
        guard let index = faults.firstIndex(where: { $0.id == record.id }) else {
            faults.append(
                .init(
                    id: record.id, kind: record.kind, targets: record.targets, state: record.state,
                    evidence: record.evidence, history: [transition]))
            return
        }
        faults[index].state = record.state
        faults[index].targets = record.targets
        for line in record.evidence where !faults[index].evidence.contains(line) {
            faults[index].evidence.append(line)
        }
        faults[index].history.append(transition)
    }

    /// Takes what is known of a node that joined in place of what was.
    mutating func consume(_ record: NodeJoinRecord) {
        if let index = joins.firstIndex(where: { $0.node == record.node }) {
            joins[index] = record
        } else {
            joins.append(record)
        }
    }

    func finish(ended end: StreamEnd, now: Double) -> RunReport.Step {
        var step = RunReport.Step(
            name: header.name, title: header.title, actions: header.actions,
            verdict: result?.verdict ?? .infraError, message: nil, unfinished: result == nil,
            startedAt: header.startedAt, offsetSeconds: at,
            durationSeconds: result?.durationSeconds ?? max(0, now - at),
            convergenceSeconds: result?.convergenceSeconds, faults: faults, joins: joins.isEmpty ? nil : joins,
            applied: applied.isEmpty ? nil : applied, matrix: matrix.map(Self.honest), health: health, host: host,
            diagnosis: diagnosis,
            expectations: expectations)
        if result == nil {
            switch end {
            case .interrupted(let reason):
                step.verdict = .interrupted
                step.message = "the run was interrupted in this step: \(reason)"
            case .died(let reason): step.message = "the lab died in this step: \(reason)"
            case .complete: step.message = "the run ended in this step"
            }
        }
        judge(&step)
        return step
    }

    /// Compares the step's verdict with the step's own parts. It can only become worse.
    private func judge(_ step: inout RunReport.Step) {
        if let unmet = step.expectations.first(where: { $0.state == .unmet }) {
            step.worsen(to: .fail, unmet.message)
        }
        if let error = step.expectations.first(where: { $0.state == .error }) {
            step.worsen(to: .infraError, error.message)
        }
        if let open = step.expectations.first(where: { $0.state == .inconclusive }) {
            step.worsen(to: .inconclusive, open.message)
        }
        for fault in step.faults {
            if let doubt = fault.doubt { step.worsen(to: .inconclusive, doubt) }
        }
        let cells = step.matrix?.cells ?? []
        let silent = cells.filter { $0.verdict == .notMeasured && !$0.mayBeUnmeasured }
        if !silent.isEmpty {
            step.worsen(to: .inconclusive, "\(silent.count) of \(cells.count) cells were not measured")
        }
        let failed = cells.filter { $0.verdict == .fail }
        if !failed.isEmpty {
            step.worsen(to: .fail, "\(failed.count) of \(cells.count) cells are not as expected")
        }
    }

    /// Returns the record's matrix. A cell without a measurement loses any verdict that would make it look like a
    /// measured one.
    private static func honest(_ record: MatrixRecord) -> RunReport.Matrix {
        let cells = record.cells.map { cell in
            var cell = cell
            if cell.observed == .notMeasured, cell.verdict != .fail { cell.verdict = .notMeasured }
            return cell
        }
        return .init(
            endpoints: record.endpoints, cells: cells, seconds: record.seconds,
            longestRoundTripMicros: record.longestRoundTripMicros)
    }
}

extension RunReport.Fault {
    /// Why nothing that was measured in this step tells of the fault. It is nil when the fault's effect was proven, and
    /// when the step only healed it.
    var doubt: String? {
        var doubt: String?
        for transition in history {
            switch transition.state {
            case .refused: return "fault \(id) was refused"
            case .injected, .unproven: doubt = "the effect of fault \(id) was not proven"
            case .verified: doubt = nil
            case .healed, .dirty: break
            }
        }
        return doubt
    }
}

extension Cell {
    /// Whether the step expects nothing of the cell, or accepts that it cannot be measured because its sender is down.
    var mayBeUnmeasured: Bool { expected?.contains { $0.matches(.notMeasured) } ?? true }
}

extension RunReport.Step {
    mutating func worsen(to other: Verdict, _ reason: String) {
        guard Verdict.worst(of: [verdict, other]) != verdict else { return }
        verdict = other
        message = reason
    }
}
