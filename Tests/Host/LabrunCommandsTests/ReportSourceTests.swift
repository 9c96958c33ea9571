import Foundation
import Reports
import Testing

@testable import LabrunCommands

@Suite struct ReportSourceTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "source-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("a journal without events is no report", arguments: [Data(), Data("\n\n".utf8), Data([0, 0, 0])])
    func empty(content: Data) throws {
        try withFolder { folder in
            let path = folder + "/journal.jsonl"
            try content.write(to: URL(fileURLWithPath: path))
            for named in [folder, path] {
                let source = try ReportSource(named)
                let error = #expect(throws: ReportError.self) { try source.report() }
                #expect(error?.description == "\(path): holds no event of a run")
                #expect(error?.exitCode.rawValue == 2)
                #expect(throws: ReportError.self) { try source.events() }
            }
        }
    }

    @Test("a folder without a report is said to be one")
    func without() throws {
        try withFolder { folder in
            let error = #expect(throws: ReportError.self) { try ReportSource(folder) }
            #expect(error?.description == "\(folder): has neither report.json nor journal.jsonl of a run")
            #expect(error?.exitCode.rawValue == 2)
        }
    }

    @Test("what is no file is said to be none", arguments: ["/dev/zero", "/dev/null"])
    func devices(path: String) throws {
        try withFolder { folder in
            let link = folder + "/journal.jsonl"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
            for named in [link, path] {
                let source = try ReportSource(named)
                let error = #expect(throws: ReportError.self) { try source.report() }
                #expect(error?.description == "\(named): is not a regular file")
            }
        }
    }

    @Test("the file that is named is read, and not another one of its folder")
    func named() throws {
        try withFolder { folder in
            try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/copy.json"))
            let source = try ReportSource(folder + "/copy.json")
            let error = #expect(throws: ReportError.self) { try source.report() }
            #expect(error?.subject == folder + "/copy.json")
        }
    }

    @Test("a report that cannot be written is a failure of the instrument")
    func unwritten() {
        #expect(ReportError(code: .diskFull, subject: "x", message: "x").exitCode.rawValue == 3)
        #expect(ReportError(code: .notWritten, subject: "x", message: "x").exitCode.rawValue == 3)
    }
}
