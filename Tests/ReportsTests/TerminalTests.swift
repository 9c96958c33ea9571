import Foundation
import RunEvents
import Testing

@testable import Reports

/// Runs a terminal reporter over a stream and answers everything it wrote.
func terminal(
    _ events: [RunEvent], live: Bool = false, colour: Bool = false, unicode: Bool = true, columns: Int = 100,
    end: StreamEnd = .complete
) -> String {
    var out = ""
    let settings = TerminalSettings(live: live, colour: colour, unicode: unicode, columns: { columns })
    let reporter = TerminalReporter(
        settings: settings, folder: ReportFolder(path: "reports/out/x"), write: { out += $0 })
    let reporters = RunReporters([reporter], complain: { Issue.record($0) })
    for event in events { reporters.consume(event) }
    reporters.finish(end)
    return out
}

@Suite struct TerminalTests {
    @Test(arguments: [80, 100, 160]) func plainLinesKeepToTheWidth(columns: Int) {
        for run in [SampleRun(), SampleRun(expectBlocked: "open"), SampleRun(nodes: 4, podsPerNode: 24)] {
            let text = terminal(run.events, columns: columns)
            if ProcessInfo.processInfo.environment["LABRUN_SHOW"] != nil { print(text) }
            for line in text.split(separator: "\n") {
                #expect(DisplayWidth.of(line) <= columns, "\(line)")
            }
        }
    }
}
