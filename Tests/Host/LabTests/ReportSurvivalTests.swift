import Foundation
import Glibc
import NamespaceHarness
import Reports
import RunEvents
import Testing

/// Reports on a full disk, and reports of a node that prints anything it likes.
@Suite(.serialized) struct ReportSurvivalTests {
    @Test func `a full disk is told, and the journal stays whole`() async throws {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        // The disk is in a mount namespace of its own, from which the result is copied.
        let script = """
            mkdir "$DIR/small" && mount -t tmpfs -o size=192k small "$DIR/small" || exit 99
            "$PROGRAM" scenario vxlan-blocked-8472 --nodes 2 --report-dir "$DIR/small/report"
            status=$?; cp "$DIR/small/report/journal.jsonl" "$DIR/"; exit $status
            """
        let asRoot = geteuid() == 0 ? [] : ["--user", "--map-root-user"]
        let lane = await LabLanes.shared.lane()
        defer { lane.end() }
        let ended = try await LabrunProgram.run(
            "/usr/bin/unshare", asRoot + ["--mount", "/bin/sh", "-c", script],
            environment: ["DIR": folder.path, "PROGRAM": labrun.path])
        #expect(ended.status == 3, "\(ended.output)\n\(ended.errors)")
        #expect(ended.errors.contains("No space left on device"), "\(ended.errors)")
        let journal = try String(contentsOfFile: "\(folder.path)/journal.jsonl", encoding: .utf8)
        #expect(journal.hasSuffix("\n"))
        let lines = journal.split(separator: "\n")
        #expect(lines.count > 5)
        #expect(lines.allSatisfy { (try? EventLine.decode(Data($0.utf8))) != nil })
    }

    /// What a node may print: terminal control, HTML, the end of a script, a line of ten megabytes.
    private static let nasty =
        "\u{1B}[2J\u{1B}]0;owned\u{07}\u{9B}31m</script><script>alert(1)</script><img src=x onerror=alert(2)>"
        + "\u{202E}\u{0}\r\n]]>"

    @Test func `hostile text of a node reaches terminal and HTML harmlessly`() async throws {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        let long = Self.nasty + String(repeating: "A", count: 10_000_000) + Self.nasty
        let header = RunHeader(
            tool: .init(version: "0", revision: ""), host: .init(kernel: Self.nasty, cpus: 2, accelerator: "tcg"),
            seed: 1,
            scenario: .init(
                name: "hostile", title: Self.nasty, file: "hostile.yaml", sha256: "", labels: [:], steps: ["only"]),
            startedAt: Date(timeIntervalSince1970: 0))
        let payloads: [RunEvent.Payload] = [
            .runStarted(header), .phaseStarted(phase: .boot),
            .node(NodeProgress(node: Self.nasty, state: "agent-ended", detail: long, seconds: 1)),
            .log(LogRecord(level: .error, source: "node1", message: long)),
            .stepStarted(
                StepHeader(
                    index: 0, name: "only", title: Self.nasty, actions: [Self.nasty],
                    startedAt: Date(timeIntervalSince1970: 0))),
            .fault(
                step: 0,
                FaultRecord(id: "f", kind: "netem", targets: [Self.nasty], state: .unproven, evidence: [long])),
            .expectation(
                step: 0,
                ExpectationResult(
                    name: Self.nasty, state: .unmet, message: long,
                    why: [.init(hop: "lab", node: Self.nasty, detail: Self.nasty, seen: nil)], seconds: 1, retries: 0)),
            .runFinished(RunResult(verdict: .infraError, message: long, durationSeconds: 2)),
        ]
        var journal = Data()
        for payload in payloads {
            journal += try EventLine.encode(RunEvent(at: 1, payload: payload)) + Data("\n".utf8)
        }
        try journal.write(to: URL(fileURLWithPath: "\(folder.path)/journal.jsonl"))
        let ended = try await labrun.run([
            "report", "replay", "\(folder.path)/journal.jsonl", "--speed", "0", "--verbose", "--report-dir",
            "\(folder.path)/report",
        ])
        let harmful = ended.output.unicodeScalars.filter {
            ($0.value < 0x20 && $0 != "\n") || (0x7F...0x9F).contains($0.value) || $0 == "\u{202E}"
        }
        #expect(harmful.isEmpty, "\(harmful.prefix(5).map(\.value))")
        #expect(ended.output.utf8.count < 100_000)
        let page = try String(contentsOfFile: "\(folder.path)/report/report.html", encoding: .utf8)
        #expect(!page.contains("<script>alert(1)"))
        #expect(!page.contains("<img src=x"))
        #expect(page.utf8.count < 2_000_000, "\(page.utf8.count)")
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/report/junit.xml"))
    }
}
