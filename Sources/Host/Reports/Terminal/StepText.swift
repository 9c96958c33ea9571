import PlainText
import Readings
import RunEvents

/// The lines that a terminal shows for a finished step.
struct StepText {
    let step: RunReport.Step
    /// The matrix of the last step before this one that had a matrix, with that step's name.
    let before: (name: String, matrix: RunReport.Matrix)?
    let glyphs: Glyphs
    let paint: Paint
    let width: Int

    func lines() -> [String] {
        joins + applied + faults + matrix + health + host + diagnosis + expectations + closing
    }

    private func clean(_ text: String) -> String { glyphs.plain(PlainText.line(text)) }

    /// Returns the text in wrapped lines, with `first` at the beginning of the first one.
    private func paragraph(_ text: String, indent: Int, first: String = "") -> [String] {
        let lines = DisplayWidth.wrap(clean(text), to: width - indent - DisplayWidth.of(first))
        let blank = String(repeating: " ", count: indent)
        let hang = String(repeating: " ", count: DisplayWidth.of(first))
        return lines.enumerated().map { blank + ($0.offset == 0 ? first : hang) + $0.element }
    }

    private var applied: [String] { (step.applied ?? []).flatMap { paragraph($0.words, indent: 2) } }

    private var joins: [String] { (step.joins ?? []).flatMap { paragraph($0.words, indent: 2) } }

    private var faults: [String] {
        step.faults.flatMap { fault in
            let state =
                switch fault.state {
                case .verified, .healed: paint.green(fault.state.rawValue)
                case .injected: fault.state.rawValue
                case .unproven, .refused: paint.yellow(fault.state.rawValue)
                case .dirty: paint.red(fault.state.rawValue)
                }
            let targets = clean(MatrixWords.listed(fault.targets))
            let head = DisplayWidth.cut("fault \(clean(fault.id)) (\(clean(fault.kind)) on \(targets))", to: width - 16)
            return ["  \(head): \(state)"]
                + fault.evidence.prefix(6).flatMap { paragraph($0, indent: 4, first: "\(glyphs.bullet) ") }
                + more(fault.evidence.count - 6, indent: 4)
        }
    }

    private var matrix: [String] {
        guard let matrix = step.matrix else { return [] }
        let checked = matrix.cells.count { $0.verdict != .unchecked }
        let good = matrix.cells.count { $0.verdict == .pass }
        let silent = matrix.cells.count { $0.verdict == .notMeasured }
        var head = "  matrix: \(matrix.endpoints.count) endpoints, \(good) of \(checked) cells as expected"
        if silent > 0 { head += ", \(silent) not measured" }
        let table = MatrixTable(grid: MatrixGrid(matrix), glyphs: glyphs, paint: paint, width: width - 4).lines()
        var lines = [paint.bold(head)] + table.map { "    " + $0.trimmingBlanksAtEnd }
        let deviations = MatrixWords.deviations(matrix)
        if !deviations.isEmpty {
            lines.append("  " + paint.red("not as expected:"))
            lines += listed(deviations)
        }
        if let before {
            let changes = MatrixWords.changes(from: before.matrix, to: matrix)
            if changes.isEmpty {
                lines += paragraph("unchanged against \(before.name)", indent: 2)
            } else {
                lines += paragraph("changed against \(before.name):", indent: 2)
                lines += listed(changes)
            }
        }
        return lines
    }

    private func listed(_ texts: [String], limit: Int = 12) -> [String] {
        texts.prefix(limit).flatMap { paragraph($0, indent: 4) } + more(texts.count - limit, indent: 4)
    }

    private func more(_ count: Int, indent: Int) -> [String] {
        count > 0 ? [String(repeating: " ", count: indent) + "(\(count) more in the report)"] : []
    }

    private var health: [String] {
        guard !step.health.isEmpty else { return [] }
        let texts = step.health.map { "\($0.node) \($0.reachable)/\($0.total)" }
        return paragraph(MatrixWords.listed(texts, limit: 24), indent: 2, first: "health: ")
    }

    private var host: [String] {
        step.host.map { paragraph($0.words, indent: 2, first: "host: ") } ?? []
    }

    private var diagnosis: [String] {
        guard let diagnosis = step.diagnosis else { return [] }
        if diagnosis.found.isEmpty {
            return paragraph(
                diagnosis.expected.map { "none found, expected \($0)" } ?? "nothing found", indent: 2,
                first: "diagnosis: ")
        }
        return diagnosis.found.flatMap { self.finding($0, expected: diagnosis.expected) }
    }

    private func finding(_ finding: Finding, expected: String?) -> [String] {
        let asExpected = expected.map { $0 == finding.id ? ", as expected" : ", expected \($0)" } ?? ""
        let sure = finding.confidence.isFinite ? Int(max(0, min(1, finding.confidence)) * 100 + 0.5) : 0
        var lines = ["  diagnosis: \(paint.bold(clean(finding.id))) (confidence \(sure) %\(clean(asExpected)))"]
        lines += paragraph(finding.summary, indent: 4)
        for line in finding.evidence.prefix(12) { lines += paragraph(line, indent: 4, first: "\(glyphs.bullet) ") }
        lines += more(finding.evidence.count - 12, indent: 4)
        if !finding.fix.isEmpty { lines += paragraph(finding.fix, indent: 4, first: "fix: ") }
        return lines
    }

    private var expectations: [String] {
        step.expectations.filter { $0.state != .met || $0.retries > 0 }.flatMap(expectation)
    }

    private func expectation(_ result: ExpectationResult) -> [String] {
        let met = result.state == .met
        let mark = met ? paint.yellow("~") : paint.red(glyphs.mark(result.state))
        let state = result.metLate ?? result.state.rawValue
        let text = DisplayWidth.wrap(clean("\(result.name): \(state). \(result.message)"), to: width - 4)
        var lines = text.enumerated().map { ($0.offset == 0 ? "  \(mark) " : "    ") + $0.element }
        for entry in result.why.prefix(16) {
            let place = entry.hop + (entry.node.map { " \($0)" } ?? "")
            lines += paragraph("\(place): \(entry.detail)", indent: 6, first: "\(glyphs.mark(entry.seen)) ")
        }
        return lines + more(result.why.count - 16, indent: 6)
    }

    private var closing: [String] {
        let verdict = StepText.coloured(step.verdict, paint, "\(glyphs.mark(step.verdict)) \(step.verdict.rawValue)")
        var text = "  \(verdict)  in \(shortSeconds(step.durationSeconds))"
        if let converged = step.convergenceSeconds { text += ", converged after \(shortSeconds(converged))" }
        let reason = step.message.map { paragraph($0, indent: 4) } ?? []
        return [text] + reason
    }

    static func coloured(_ verdict: Verdict, _ paint: Paint, _ text: String) -> String {
        switch verdict {
        case .pass: paint.green(text)
        case .inconclusive: paint.yellow(text)
        default: paint.red(text)
        }
    }
}

/// Formats seconds as `0.42 s`, `12.3 s` or `2 min 5 s`.
func shortSeconds(_ value: Double) -> String {
    guard value.isFinite, value >= 0, value < 1e9 else { return "? s" }
    if value >= 120 { return "\(Int(value) / 60) min \(Int(value) % 60) s" }
    let digits = value < 10 ? 100.0 : 10.0
    let scaled = Int(value * digits + 0.5)
    let fraction = String(scaled % Int(digits))
    let zeros = String(repeating: "0", count: (digits == 100 ? 2 : 1) - fraction.count)
    return "\(scaled / Int(digits)).\(zeros)\(fraction) s"
}

extension String {
    var trimmingBlanksAtEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
