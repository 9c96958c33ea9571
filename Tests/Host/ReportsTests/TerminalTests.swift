import Foundation
import PlainText
import RunEvents
import Testing

@testable import Reports

/// Passes a stream to a terminal reporter and returns everything that it wrote.
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

/// A terminal that understands what `LiveRegion` uses, and fails on any other control sequence.
struct Screen {
    var rows: [String] = [""]
    let columns: Int
    /// The cursor's row. The cursor stands at the start of it after every write.
    var row = 0

    mutating func feed(_ text: String) {
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\n":
                row += 1
                if row == rows.count { rows.append("") }
            case "\r": break
            case "\u{1B}":
                #expect(rest.popFirst() == "[")
                var arguments = ""
                while let next = rest.first, next == "?" || next.properties.numericType != nil || next == ";" {
                    arguments.unicodeScalars.append(rest.removeFirst())
                }
                switch rest.popFirst() {
                case "A": row -= Int(arguments) ?? 1
                case "J": rows.replaceSubrange(row..., with: [""])
                case "h", "l": #expect(arguments == "?2026")
                case "m": break
                default: Issue.record("unknown control sequence")
                }
                #expect(row >= 0)
            default:
                #expect(PlainText.isHarmless(scalar))
                rows[row].unicodeScalars.append(scalar)
                #expect(DisplayWidth.of(rows[row]) <= columns)
            }
        }
    }
}

extension TerminalTests {
    @Test(arguments: [80, 160]) func theLiveRegionLeavesNothingBehind(columns: Int) {
        for events in [SampleRun().events, SampleRun(nodes: 14, podsPerNode: 1).events] {
            var screen = Screen(columns: columns)
            var most = 0
            let reporter = TerminalReporter(
                settings: TerminalSettings(live: true, colour: true, unicode: true, columns: { columns }),
                folder: nil,
                write: { text in
                    screen.feed(text)
                    #expect(text.hasSuffix("\u{1B}[?2026l"))
                })
            let reporters = RunReporters([reporter], complain: { Issue.record($0) })
            for event in events {
                reporters.tick(event.at - 0.05)
                reporters.consume(event)
                most = max(most, screen.rows.count { $0.contains("booting") })
            }
            reporters.finish()
            #expect(most > 0)
            #expect(!screen.rows.contains { $0.contains("booting") || $0.contains("in all)") })
            #expect(screen.rows.count { $0.contains("✓ PASS") } == 1)
            #expect(screen.row == screen.rows.count - 1 && screen.rows.last == "")
        }
    }

    @Test(arguments: [true, false]) func hostileTextIsHarmless(live: Bool) {
        let hostile = "\u{1B}]0;owned\u{7}\u{1B}[2J\u{9B}31m\r\u{202E}\u{2066}\u{0}\u{FFFE}\u{E0041}"
        var screen = Screen(columns: 100)
        screen.feed(terminal(SampleRun(expectBlocked: "open", hostile: hostile).events, live: live, colour: true))
        #expect(screen.rows.contains { $0.contains("\\x1B]0;owned\\x07") })
    }

    @Test func tenMegabytesInOneLineAreCutWithANote() {
        let events = [
            RunEvent(
                at: 0,
                payload: .log(.init(level: .error, source: "node1", message: String(repeating: "A", count: 10_000_000)))
            )
        ]
        let text = terminal(events, columns: 80)
        #expect(text.utf8.count < 3_000)
        #expect(text.contains("10000000 bytes in all"))
    }

    @Test func asciiIsAscii() {
        let run = SampleRun(nodes: 3, podsPerNode: 2, expectBlocked: "open", hostile: "中文")
        #expect(terminal(run.events, unicode: false).unicodeScalars.allSatisfy { $0.value < 0x80 })
    }

    @Test func theTableOfTheBlockedStep() throws {
        let matrix = try #require(assemble(SampleRun(nodes: 2, expectBlocked: "open").events).steps[1].matrix)
        let table = MatrixTable(
            grid: MatrixGrid(matrix), glyphs: Glyphs(unicode: true), paint: Paint(enabled: false), width: 76)
        #expect(
            table.lines().map(\.trimmingBlanksAtEnd)
                == [
                    "                      1  2  3   4  5  6",
                    "  1 default/web-1-1  ·  ✓  ✓   T! T! ✓   node1",
                    "  2 default/web-1-2  ✓  ·  ✓   T! T! ✓",
                    "  3 node/node1       ✓  ✓  ·   ✓  ✓  ✓",
                    "  4 default/web-2-1  T! T! ✓   ·  ✓  ✓   node2",
                    "  5 default/web-2-2  T! T! ✓   ✓  ·  ✓",
                    "  6 node/node2       ✓  ✓  ✓   ✓  ✓  ·",
                    "✓ open, T timeout, ! not as expected (rows: from, columns: to, worst protocol)",
                ].flatMap { DisplayWidth.of($0) > 76 ? DisplayWidth.wrap($0, to: 76) : [$0] })
    }

    /// A pair that is denied in one protocol and open in another must not look closed.
    @Test func aPairOpenInOneProtocolIsMarked() throws {
        var matrix = try #require(assemble(SampleRun(nodes: 2).events).steps[1].matrix)
        for index in matrix.cells.indices where matrix.cells[index].from == "default/web-1-1" {
            matrix.cells[index].observed = matrix.cells[index].protocol == .tcp ? .open : .timeout
            matrix.cells[index].verdict = .pass
        }
        let lines = MatrixTable(
            grid: MatrixGrid(matrix), glyphs: Glyphs(unicode: true), paint: Paint(enabled: false), width: 110
        ).lines()
        #expect(lines.contains { $0.hasPrefix("  1 default/web-1-1  ·  T~ T~  T~ T~ T~") })
        #expect(lines.last?.contains("~ open in another protocol") == true)
    }

    @Test func aNoteStandsAboveTheLiveLines() {
        var screen = Screen(columns: 80)
        let reporter = TerminalReporter(
            settings: TerminalSettings(live: true, colour: false, unicode: true, columns: { 80 }), folder: nil,
            write: { screen.feed($0) })
        try? reporter.consume(RunEvent(at: 0, payload: .phaseStarted(phase: .boot)))
        reporter.note("the disk is full")
        #expect(screen.rows == ["labrun: the disk is full", "boot 0.0 s", ""])
    }

    @Test func unexpectedCellsAreMarkedWithoutColour() {
        let text = terminal(SampleRun(expectBlocked: "open").events)
        #expect(text.contains("T!") && text.contains("! not as expected"))
        #expect(text.contains("pod→pod cross-node: 24 of 24 timeout (tcp, udp, icmp), expected open"))
        #expect(!terminal(SampleRun().events).contains("T!"))
    }

    @Test func aDeadLabIsToldWithItsOpenStep() {
        let text = terminal(Array(SampleRun().events.prefix(36)), end: .died("node2: kernel panic"))
        #expect(text.contains("INFRA-ERROR") && text.contains("node2: kernel panic") && text.contains("not run: fixed"))
    }

    @Test func aFinishedReportReadsAsTheRunDid() throws {
        let report = assemble(SampleRun().events)
        var out = ""
        let settings = TerminalSettings(live: false, colour: false, unicode: true, columns: { 100 })
        try TerminalReporter(settings: settings, folder: nil, write: { out += $0 }).present(report)
        let live = terminal(SampleRun().events)
        for line in out.split(separator: "\n") where !live.contains(line) {
            Issue.record("not in the live output: \(line)")
        }
    }

    @Test func environmentDecides() {
        let plain = TerminalSettings.detect(descriptor: -1, environment: ["COLUMNS": "132", "LANG": "de_DE.UTF-8"])
        #expect(!plain.live && !plain.colour && plain.unicode && plain.columns() == 132)
        #expect(!TerminalSettings.detect(descriptor: -1, environment: ["LC_ALL": "C"]).unicode)
    }
}

@Suite struct DisplayWidthTests {
    @Test(arguments: [("abc", 3), ("中文", 4), ("e\u{301}", 1), ("✓→", 2), ("", 0), ("👍", 2)])
    func counts(text: String, width: Int) { #expect(DisplayWidth.of(text) == width) }

    @Test func wrapsAndCuts() {
        #expect(DisplayWidth.cut("abcdef", to: 4) == "abc…")
        #expect(
            DisplayWidth.wrap("aaa bbb ccc " + String(repeating: "x", count: 30), to: 20).allSatisfy { $0.count <= 20 })
        #expect(DisplayWidth.wrap("", to: 20) == [""])
    }
}
