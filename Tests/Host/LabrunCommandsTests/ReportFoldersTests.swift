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
}
