import ArgumentParser
import Foundation
import Reports

/// `labrun report show DIR`: shows a report again in any of its forms. A run that was killed has no report, so its
/// journal is read.
public struct ReportShow: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the report of a run that is over; of a killed one, what its journal holds."
    )

    @Argument(help: "Report folder, its report.json, or its journal.jsonl.")
    public var path: String

    @Flag(name: .long, help: "Print report.json instead of text.")
    public var json = false

    @Option(name: .long, help: "Write the JUnit report to this file too.")
    public var junit: String?

    @Option(name: .long, help: "Write the HTML report to this file too.")
    public var html: String?

    @Flag(name: .long, help: "No colours, as with NO_COLOR.")
    public var noColor = false

    public init() {}

    public func run() async throws {
        do {
            let source = try ReportSource(path)
            let report = try source.report()
            if let junit { try JUnitReporter(path: junit, folder: source.folder).finish(report) }
            if let html { try HTMLReporter(path: html).finish(report) }
            if json { return try JSONOutput().finish(report) }
            var settings = TerminalSettings.detect(noColour: noColor)
            settings.live = false
            try TerminalReporter(settings: settings, folder: source.folder).present(report)
        } catch let error as ReportError {
            StandardError.write("\(error)")
            throw error.exitCode
        }
    }
}
