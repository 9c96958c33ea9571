import ArgumentParser
import Testing

@testable import LabrunCommands

@Suite struct ReportFoldersTests {
    @Test(
        "scenarios that share a name have folders of their own",
        arguments: [
            (["a", "b"], ["a", "b"]), (["same", "same"], ["same", "same-2"]),
            (["same", "same", "same-2", "same"], ["same", "same-3", "same-2", "same-4"]), ([], []),
        ])
    func folders(names: [String], expected: [String]) {
        #expect(ScenarioRunCommand.folderNames(names) == expected)
    }

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
