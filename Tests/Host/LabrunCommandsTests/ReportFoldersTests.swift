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
}
