import PlainText
import RunEvents

/// The timeline as SVG. It has a lane of steps, and a lane for each fault from its injection until it is healed.
/// Positions are percentages, so that it is as wide as the page. Every bar has a title in words.
struct HTMLTimeline {
    let report: RunReport

    private var total: Double {
        max(report.durationSeconds, report.steps.map { $0.offsetSeconds + $0.durationSeconds }.max() ?? 0, 0.001)
    }

    /// A fault's time in force, over the whole run.
    struct Interval {
        let id: String
        let from: Double
        let to: Double
        let state: FaultRecord.State
    }

    var intervals: [Interval] {
        var order: [String] = []
        var history: [String: [RunReport.Fault.Transition]] = [:]
        for fault in report.steps.flatMap(\.faults) {
            if history[fault.id] == nil { order.append(fault.id) }
            history[fault.id, default: []] += fault.history
        }
        return order.compactMap { id in
            let changes = (history[id] ?? []).sorted { $0.at < $1.at }
            guard let first = changes.first, let last = changes.last else { return nil }
            let ended = last.state == .healed || last.state == .dirty || last.state == .refused
            return Interval(id: id, from: first.at, to: ended ? last.at : total, state: last.state)
        }
    }

    var svg: String {
        let faults = Array(intervals.prefix(40))
        let lane = 26
        let height = 22 + lane * (1 + faults.count)
        var out = "<svg class=\"timeline\" height=\"\(height)\" role=\"img\" aria-label=\"\(text(summary))\">\n"
        for tick in ticks {
            let x = percent(tick)
            out += "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"16\" y2=\"\(height)\"/>"
            let seconds = tick == tick.rounded() ? String(Int(tick)) : String(tick)
            out += "<text class=\"axis\" x=\"\(x)\" y=\"11\">\(seconds) s</text>\n"
        }
        if let first = report.steps.first, first.offsetSeconds > 0 {
            out += bar(
                0, first.offsetSeconds, y: 22, label: "start", kind: "",
                title: "start of the lab, \(shortSeconds(first.offsetSeconds))")
        }
        for step in report.steps {
            let end = step.offsetSeconds + step.durationSeconds
            out += bar(
                step.offsetSeconds, end, y: 22, label: step.name, kind: step.verdict.rawValue,
                title: "step \(step.name): \(step.verdict.rawValue), \(shortSeconds(step.durationSeconds))")
        }
        for (index, fault) in faults.enumerated() {
            out += bar(
                fault.from, fault.to, y: 22 + lane * (index + 1), label: fault.id, kind: "fault",
                title: "fault \(fault.id): from \(shortSeconds(fault.from)) to \(shortSeconds(fault.to)), "
                    + fault.state.rawValue)
        }
        return out + "</svg>"
    }

    private var summary: String {
        let steps = report.steps.map { "step \($0.name) \($0.verdict.rawValue) from \(shortSeconds($0.offsetSeconds))" }
        let faults = intervals.map { "fault \($0.id) from \(shortSeconds($0.from)) to \(shortSeconds($0.to))" }
        return "Timeline of \(shortSeconds(total)): " + (steps + faults).joined(separator: "; ")
    }

    /// A nested picture clips the label to its bar. If the bar is too narrow, the label is only in the title.
    private func bar(_ from: Double, _ to: Double, y: Int, label: String, kind: String, title: String) -> String {
        let wide = (to - from) / total
        // A letter takes about 7 pixels, and a page about 1,000.
        let fits = wide * 1_000 > Double(min(label.count, 80) * 7 + 10)
        let name = PlainText.line(label, limit: 80)
        let inside = fits ? "<text x=\"6\" y=\"15\">\(text(name))</text>" : ""
        let x = percent(from)
        let after =
            !fits && kind == "fault" ? "<text x=\"\(percent(to))\" dx=\"5\" y=\"\(y + 15)\">\(text(name))</text>" : ""
        return """
            <g class="\(kind)"><title>\(text(title))</title>\
            <svg x="\(x)" y="\(y)" width="\(percent(max(to - from, total / 500)))" height="22">\
            <rect x="0" y="1" width="100%" height="19" rx="3"/>\(inside)</svg>\(after)</g>

            """
    }

    private var ticks: [Double] {
        let steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400]
        let step = steps.first { total / $0 <= 10 } ?? total
        return (0...10).map { (Double($0) * step * 10).rounded() / 10 }.filter { $0 <= total * 0.98 }
    }

    private func percent(_ value: Double) -> String {
        let share = max(0, min(1, value / total)) * 100
        return "\((share * 1_000).rounded() / 1_000)%"
    }

    private func text(_ value: String) -> String { Markup.escaped(PlainText.line(value, limit: 4_000)) }
}
