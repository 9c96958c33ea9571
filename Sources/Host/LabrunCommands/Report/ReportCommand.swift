import ArgumentParser
import Foundation
import Reports

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

    init(_ path: String) throws(ReportError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ReportError(code: .unreadable, subject: path, message: "there is no such file or folder")
        }
        let parent = (path as NSString).deletingLastPathComponent
        folder = ReportFolder(path: isFolder.boolValue ? path : parent.isEmpty ? "." : parent)
        let hasReport = FileManager.default.fileExists(atPath: folder.report)
        if isFolder.boolValue {
            journal = hasReport ? nil : folder.journal
        } else {
            journal = path.hasSuffix(".jsonl") ? path : nil
        }
    }

    /// Returns the report as it was written. For a run that was killed, it is made from the journal.
    func report() throws -> RunReport {
        if let journal { return try Self.assemble(journal) }
        do { return try RunReport(json: Data(contentsOf: URL(fileURLWithPath: folder.report))) } catch let error
            as ReportError
        {
            throw error
        } catch {
            throw ReportError(code: .unreadable, subject: folder.report, message: "is not a report: \(error)")
        }
    }

    private static func assemble(_ journal: String) throws -> RunReport {
        var assembler = ReportAssembler()
        for event in try Journal.read(path: journal) { assembler.consume(event) }
        return assembler.finish(.died("the journal ends here"))
    }
}
