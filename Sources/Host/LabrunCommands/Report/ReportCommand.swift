import ArgumentParser
import Files
import Foundation
import Reports
import RunEvents

/// `labrun report`: shows the reports of runs that are over.
public struct ReportCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Show the reports of earlier runs.",
        subcommands: [ReportShow.self, ReportReplay.self])

    public init() {}
}

/// A report folder, or one file of it, as named on the command line.
struct ReportSource {
    let folder: ReportFolder
    /// The path of the journal, if it was named or if there is nothing else.
    let journal: String?
    private let reportFile: String

    init(_ path: String) throws(ReportError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ReportError(code: .unreadable, subject: path, message: "there is no such file or folder")
        }
        folder = ReportFolder(path: isFolder.boolValue ? path : Directories.parent(of: path))
        if isFolder.boolValue {
            reportFile = folder.report
            let isWhole = FileManager.default.fileExists(atPath: folder.report)
            guard isWhole || FileManager.default.fileExists(atPath: folder.journal) else {
                throw ReportError(
                    code: .unreadable, subject: path, message: "has neither report.json nor journal.jsonl of a run")
            }
            journal = isWhole ? nil : folder.journal
        } else {
            reportFile = path
            journal = path.hasSuffix(".jsonl") ? path : nil
        }
    }

    /// Returns the report as it was written. For a run that was killed, it is made from the journal.
    func report() throws(ReportError) -> RunReport {
        if journal != nil {
            var assembler = ReportAssembler()
            for event in try events() { assembler.consume(event) }
            return assembler.finish(.died("the journal ends here"))
        }
        let bytes: [UInt8]
        do throws(RegularFile.Failure) { bytes = try RegularFile.read(reportFile) } catch {
            throw ReportError(code: .unreadable, subject: reportFile, message: "\(error)")
        }
        do { return try RunReport(json: Data(bytes)) } catch let error as ReportError { throw error } catch {
            if case DecodingError.dataCorrupted(let context) = error, context.codingPath.isEmpty {
                throw ReportError(code: .unreadable, subject: reportFile, message: "is not a report: it is not JSON")
            }
            throw ReportError(code: .unreadable, subject: reportFile, message: "is not a report: \(error)")
        }
    }

    /// Returns the events of the journal. One without events tells nothing of a run, not even that there was one.
    func events() throws(ReportError) -> [RunEvent] {
        let path = journal ?? folder.journal
        let events = try Journal.read(path: path)
        if events.isEmpty { throw ReportError(code: .unreadable, subject: path, message: "holds no event of a run") }
        return events
    }
}

extension ReportError {
    /// What was asked for and cannot be read is bad input. What cannot be written is a failure of the instrument.
    var exitCode: ExitCode { ExitCode(code == .unreadable ? 2 : Verdict.infraError.exitCode) }
}
