import ArgumentParser
import Testing

@testable import LabrunCommands

@Suite struct ReportFoldersTests {
    @Test("a folder is seen from the working directory, unless that was removed")
    func absolute() throws {
        #expect(try ScenarioRunCommand.absolute("a/b", from: "/work") == "/work/a/b")
        #expect(try ScenarioRunCommand.absolute("a", from: "/") == "/a")
        #expect(try ScenarioRunCommand.absolute("/a", from: "") == "/a")
        for removed in ["", "(unreachable)/work"] {
            #expect(throws: ValidationError.self) { try ScenarioRunCommand.absolute("reports/out", from: removed) }
        }
    }

    /// `--report-dir "$UNSET"` would write into the working directory.
    @Test func `an empty folder is refused`() {
        #expect(throws: (any Error).self) { try ScenarioRunCommand.parse(["x.yaml", "--report-dir", ""]) }
        #expect(throws: (any Error).self) { try ReportReplay.parse(["x", "--report-dir", ""]) }
        #expect(throws: (any Error).self) { try ImageVerify.parse(["--timeout", "nan"]) }
    }
}
