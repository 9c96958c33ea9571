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

@Suite struct StandardOutputTests {
    @Test("a result that does not fit is said, a reader that went away is not")
    func failures() throws {
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        let error = #expect(throws: StandardOutput.Failure.self) { try StandardOutput.write("x", to: full) }
        #expect(error?.description == "standard output: cannot write: No space left on device")
        #expect(throws: StandardOutput.Failure.self) { try StandardOutput.write("x", to: -1) }
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        try StandardOutput.write("a", to: ends[1])
        try StandardOutput.write("b\n", to: ends[1])
        var read = [UInt8](repeating: 0, count: 16)
        #expect(Foundation.read(ends[0], &read, 16) == 4)
        #expect(Array(read.prefix(4)) == Array("a\nb\n".utf8))
        close(ends[0])
        close(ends[1])
    }
}
