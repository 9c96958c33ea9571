import ArgumentParser
import Foundation
import Reports
import RunEvents

/// `labrun report replay JOURNAL`: shows the run once more from its journal, as it looked on the terminal.
public struct ReportReplay: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Show a run once more from its journal, as it looked while it went on.")

    @Argument(help: "Report folder, or its journal.jsonl.")
    public var path: String

    @Option(name: .long, help: "How many times faster than the run was; 0 does not wait.")
    public var speed = 1.0

    @Option(name: .long, help: "Write a whole report folder from the journal here.")
    public var reportDir: String?

    @Flag(name: .long, help: "No colours, as with NO_COLOR.")
    public var noColor = false

    @Flag(name: .shortAndLong, help: "Messages of the lab, too.")
    public var verbose = false

    public init() {}

    public func validate() throws {
        guard reportDir != "" else { throw ValidationError("--report-dir takes a folder, and is empty") }
        guard speed >= 0, speed.isFinite else { throw ValidationError("--speed takes a factor, 0 or more") }
    }

    public func run() async throws {
        do {
            let source = try ReportSource(path)
            let events = try source.events()
            let reporters = try self.reporters(source)
            let started = ContinuousClock.now
            for event in events {
                if speed > 0 { await wait(until: event.at, since: started, reporters) }
                reporters.consume(event)
            }
            reporters.finish(.died("the journal ends here"))
            if let incompleteness = reporters.incompleteness {
                StandardError.write("labrun: \(incompleteness)")
                throw ExitCode(Verdict.infraError.exitCode)
            }
        } catch let error as ReportError {
            StandardError.write("\(error)")
            throw error.exitCode
        }
    }

    private func reporters(_ source: ReportSource) throws -> RunReporters {
        if let reportDir {
            let folder = ReportFolder(path: reportDir)
            return try .standard(ReportOptions(folder: folder, noColour: noColor, verbose: verbose))
        }
        let settings = TerminalSettings.detect(noColour: noColor, verbose: verbose)
        return RunReporters([TerminalReporter(settings: settings, folder: source.folder)]) {
            StandardError.write("\($0)")
        }
    }

    /// Waits until the run's clock has come to `at`, with the ticks that a live view gets.
    private func wait(until at: Double, since started: ContinuousClock.Instant, _ reporters: RunReporters) async {
        while true {
            let passed = (ContinuousClock.now - started) / .seconds(1) * speed
            guard passed < at else { return }
            reporters.tick(passed)
            try? await Task.sleep(for: .seconds(min(0.1, (at - passed) / speed)))
        }
    }
}
