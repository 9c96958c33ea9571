import Foundation
import PlainText
import RunEvents

/// Shows the run on a terminal or in a pipe: lines that stay for what happened, and on a terminal a few live lines
/// below them for what is going on. All text from a lab is cleaned of what a terminal would obey.
public final class TerminalReporter: Reporter {
    private let settings: TerminalSettings
    private let write: (String) throws -> Void
    private let paint: Paint
    private let glyphs: Glyphs
    /// The folder that the last lines name, or nil if no report is written.
    private let folder: ReportFolder?

    private var region = LiveRegion()
    private var pending: [String] = []
    private var now = 0.0
    private var header: RunHeader?
    private var nodes: [(name: String, state: String, since: Double)] = []
    private var phase: (name: Phase, since: Double)?
    private var step: (header: StepHeader, since: Double)?
    private var drafts: [Int: StepDraft] = [:]
    private var before: (name: String, matrix: RunReport.Matrix)?
    private var provisional = 0

    /// - Parameter write: Takes text as it is to appear. By default all of it is written to `descriptor`.
    public init(
        settings: TerminalSettings, folder: ReportFolder?, descriptor: Int32 = 1,
        write: ((String) throws -> Void)? = nil
    ) {
        self.settings = settings
        self.folder = folder
        self.write =
            write ?? { try WriteCall.kernel.all(Data($0.utf8), to: descriptor, file: ReportError.standardOutput) }
        paint = Paint(enabled: settings.colour)
        glyphs = Glyphs(unicode: settings.unicode)
    }

    /// Whether the live lines are redrawn in place.
    var isLive: Bool { settings.live }

    private var width: Int { min(max(settings.columns(), 40), 200) }
    private func clean(_ text: String, limit: Int = 400) -> String { glyphs.plain(PlainText.line(text, limit: limit)) }
    private func say(_ line: String) { pending.append(line) }
    private func say(wrapped text: String) { pending += DisplayWidth.wrap(text, to: width) }

    // MARK: Events

    public func consume(_ event: RunEvent) throws {
        now = max(now, event.at)
        switch event.payload {
        case .runStarted(let started): start(started)
        case .labDescribed(let lab): describe(lab)
        case .phaseStarted(let phase): self.phase = (phase, event.at)
        case .phaseFinished(let phase, let seconds): finish(phase, seconds)
        case .node(let progress): follow(progress)
        case .stepStarted(let header): begin(header, at: event.at)
        case .fault(let step, let record):
            drafts[step]?.consume(record, at: event.at)
            let line = "  fault \(clean(record.id)): \(record.state.rawValue)"
            if settings.live { break }
            say(DisplayWidth.cut(line, to: width))
        case .nodeJoined(let step, let record):
            // What comes to be known after the step's end has a line of its own.
            if drafts[step]?.consume(record) == nil { say(wrapped: clean(record.words)) }
        case .applied(let step, let record): drafts[step]?.applied.append(record)
        case .matrix(let step, let record):
            if record.provisional { provisional += 1 } else { drafts[step]?.matrix = record }
        case .health(let step, let records): drafts[step]?.health = records
        case .hostLoad(let step, let load): drafts[step]?.host = load
        case .diagnosis(let step, let record): drafts[step]?.diagnosis = record
        case .expectation(let step, let result): drafts[step]?.expectations.append(result)
        case .stepFinished(let step, let result): end(step, result)
        case .log(let record): log(record)
        case .labHandover(let handover) where handover.isKept: say("the lab is kept for the next scenario")
        case .artifact, .apiRequests, .labHandover, .runFinished: break
        }
        try draw()
    }

    public func tick(_ seconds: Double) {
        guard settings.live else { return }
        now = max(now, seconds)
        // An error of the terminal is reported by the next event.
        try? draw()
    }

    /// Shows a line of labrun's own above the live lines.
    public func note(_ text: String) {
        pending += DisplayWidth.wrap(clean("labrun: \(text)", limit: 2_000), to: width).map(paint.yellow)
        try? draw()
    }

    private func start(_ started: RunHeader) {
        header = started
        let name = clean(started.scenario.name)
        let title = clean(started.scenario.title)
        say(
            paint.bold(name)
                + (title.isEmpty ? "" : "  " + DisplayWidth.cut(title, to: max(width - DisplayWidth.of(name) - 2, 8))))
        say(
            wrapped: "labrun \(clean(started.tool.version)) \(glyphs.bullet) seed \(started.seed) \(glyphs.bullet) "
                + "\(started.host.cpus) CPUs \(glyphs.bullet) \(clean(started.host.accelerator))")
    }

    private func describe(_ lab: LabDescription) {
        let kernels = Set(lab.nodes.map(\.kernel)).sorted().joined(separator: ", ")
        say(wrapped: clean("lab \(lab.profile) · \(counted(lab.nodes.count, "node", "nodes")) · kernel \(kernels)"))
        if let servers = lab.servers { say(wrapped: clean(servers)) }
        if let origin = lab.origin { say(wrapped: clean(origin)) }
    }

    private func finish(_ phase: Phase, _ seconds: Double) {
        if self.phase?.name == phase { self.phase = nil }
        // Within a step, the step's own block shows the results.
        guard step == nil else { return }
        say("\(DisplayWidth.pad(phase.rawValue, to: 13)) \(shortSeconds(seconds))")
    }

    private func follow(_ progress: NodeProgress) {
        if let index = nodes.firstIndex(where: { $0.name == progress.node }) {
            nodes[index].state = progress.state
            nodes[index].since = now - progress.seconds
        } else {
            nodes.append((progress.node, progress.state, now - progress.seconds))
        }
        let bad = ["crashed", "failed"].contains(progress.state)
        guard bad || (!settings.live && ["ready", "paused", "stopped"].contains(progress.state)) else { return }
        let detail = progress.detail.isEmpty ? "" : ": " + clean(progress.detail)
        let line = DisplayWidth.cut(
            "node \(clean(progress.node, limit: 60)) \(clean(progress.state, limit: 40))"
                + " after \(shortSeconds(progress.seconds))\(detail)",
            to: width)
        say(bad ? paint.red(line) : line)
    }

    private func begin(_ header: StepHeader, at: Double) {
        step = (header, at)
        drafts[header.index] = StepDraft(header: header, at: at)
        provisional = 0
        let count = self.header?.scenario.steps.count ?? 0
        let place = count > 0 ? "\(header.index + 1)/\(count)" : "\(header.index + 1)"
        let title = header.title.isEmpty ? "" : "  " + clean(header.title)
        say("")
        let head = "step \(place) \(clean(header.name, limit: 80))"
        say(paint.bold(head) + DisplayWidth.cut(title, to: max(width - DisplayWidth.of(head), 8)))
        for action in header.actions { pending += DisplayWidth.wrap(clean(action), to: width - 4).map { "  " + $0 } }
    }

    private func end(_ index: Int, _ result: StepResult) {
        step = nil
        guard var draft = drafts.removeValue(forKey: index) else { return }
        draft.result = result
        tell(draft.finish(ended: .complete, now: now))
    }

    private func tell(_ step: RunReport.Step) {
        pending += StepText(step: step, before: before, glyphs: glyphs, paint: paint, width: width).lines()
        if let matrix = step.matrix { before = (step.name, matrix) }
    }

    private func log(_ record: LogRecord) {
        let serious = record.level == .warning || record.level == .error
        guard serious || settings.verbose else { return }
        let message = clean(record.message, limit: width * 3)
        let line = "\(record.level.rawValue) \(clean(record.source, limit: 60)): \(message)"
        let shown = DisplayWidth.wrap(line, to: width)
        pending +=
            record.level == .error ? shown.map(paint.red) : serious ? shown.map(paint.yellow) : shown.map(paint.dim)
    }

    // MARK: A report that is there already

    /// Shows a whole report like a run that is over.
    public func present(_ report: RunReport) throws {
        let scenario = report.scenario
        start(
            RunHeader(
                tool: report.tool, host: report.host, seed: report.seed,
                scenario: .init(
                    name: scenario.name, title: scenario.title, file: scenario.file, sha256: scenario.sha256,
                    labels: scenario.labels, steps: report.steps.map(\.name) + report.stepsNotRun),
                startedAt: report.startedAt))
        if let lab = report.lab { describe(lab) }
        for (index, step) in report.steps.enumerated() {
            begin(
                StepHeader(
                    index: index, name: step.name, title: step.title, actions: step.actions, startedAt: step.startedAt),
                at: step.offsetSeconds)
            if !step.unfinished { tell(step) }
        }
        try finish(report)
    }

    // MARK: The end

    public func finish(_ report: RunReport) throws {
        phase = nil
        nodes = []
        step = nil
        // Steps that the stream left open are shown as the report judges them.
        for open in report.steps where open.unfinished { tell(open) }
        say("")
        let verdict = report.verdict.rawValue.uppercased()
        let message = DisplayWidth.wrap(clean(report.message), to: max(width - DisplayWidth.of(verdict) - 4, 30))
        let head = StepText.coloured(report.verdict, paint, "\(glyphs.mark(report.verdict)) \(paint.bold(verdict))")
        say("\(head)  \(message.first ?? "")")
        pending += message.dropFirst().map { "    " + $0 }
        if !report.stepsNotRun.isEmpty {
            say(wrapped: clean("not run: \(report.stepsNotRun.joined(separator: ", "))"))
        }
        for warning in report.warnings.prefix(3) { say(wrapped: clean("warning: \(warning)")) }
        if report.warnings.count > 3 { say(wrapped: "and \(report.warnings.count - 3) more warnings, see the report") }
        let phases = Phase.allCases.compactMap { phase in
            report.phases[phase.rawValue].map { "\(phase.rawValue) \(shortSeconds($0))" }
        }
        let bullet = " \(glyphs.bullet) "
        say(wrapped: "time \(shortSeconds(report.durationSeconds)): \(phases.joined(separator: bullet))")
        if let folder { say("report \(clean(folder.path, limit: 4_096))") }
        try draw()
    }

    // MARK: Drawing

    private func draw() throws {
        let permanent = pending
        pending = []
        if settings.live {
            let columns = settings.columns()
            let live = liveLines(columns: columns)
            if let text = region.draw(
                permanent: permanent, live: live, columns: columns, measure: { DisplayWidth.of($0) })
            {
                try write(text)
            }
        } else if !permanent.isEmpty {
            try write(permanent.joined(separator: "\n") + "\n")
        }
    }

    /// The live lines: the nodes until all are ready, then the step and its phase with the time that it has taken.
    private func liveLines(columns: Int) -> [String] {
        let room = max(columns - 1, 20)
        var lines: [String] = []
        if let step {
            let count = header?.scenario.steps.count ?? 0
            var text = "step \(step.header.index + 1)/\(count) \(clean(step.header.name, limit: 60))"
            if let phase { text += " \(glyphs.bullet) \(phase.name.rawValue) \(tenths(now - phase.since))" }
            if provisional > 0 { text += " \(glyphs.bullet) \(counted(provisional, "matrix", "matrices")) so far" }
            lines.append(DisplayWidth.cut(text + "  (\(tenths(now)) in all)", to: room, mark: glyphs.ellipsis))
        } else if let phase {
            let ready = nodes.count { $0.state == "ready" }
            var text = "\(phase.name.rawValue) \(tenths(now - phase.since))"
            if !nodes.isEmpty { text += " \(glyphs.bullet) \(ready)/\(nodes.count) nodes ready" }
            lines.append(DisplayWidth.cut(text, to: room, mark: glyphs.ellipsis))
        }
        let waiting = step == nil ? nodes : nodes.filter { $0.state != "ready" }
        if step != nil || nodes.contains(where: { $0.state != "ready" }) { lines += nodeLines(waiting, room: room) }
        return lines
    }

    private func nodeLines(_ nodes: [(name: String, state: String, since: Double)], room: Int) -> [String] {
        let entries = nodes.map { node in
            let text = "\(clean(node.name, limit: 40)) \(clean(node.state, limit: 20))"
            return node.state == "ready" || node.state == "stopped" ? text : text + " " + tenths(now - node.since)
        }
        let cell = min((entries.map { DisplayWidth.of($0) }.max() ?? 0) + 2, room - 2)
        guard cell > 2 else { return [] }
        let perLine = max(1, (room - 2) / cell)
        var lines: [String] = []
        for start in stride(from: 0, to: entries.count, by: perLine) {
            if lines.count == 4 {
                lines.append("  (\(entries.count - start) more)")
                break
            }
            let row = entries[start..<min(start + perLine, entries.count)]
            lines.append("  " + row.map { DisplayWidth.pad(DisplayWidth.cut($0, to: cell - 1), to: cell) }.joined())
        }
        return lines.map { DisplayWidth.cut($0, to: room) }
    }

    private func tenths(_ value: Double) -> String {
        let scaled = Int(max(0, min(value, 1e9)) * 10)
        return "\(scaled / 10).\(scaled % 10) s"
    }
}
