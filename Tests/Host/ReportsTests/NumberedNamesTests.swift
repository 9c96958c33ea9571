import Reports
import Testing

@Suite struct NumberedNamesTests {
    @Test(
        "scenarios that share a name have folders and suites of their own",
        arguments: [
            (["a", "b"], ["a", "b"]), (["same", "same"], ["same", "same-2"]),
            (["same", "same", "same-2", "same"], ["same", "same-3", "same-2", "same-4"]), ([], []),
        ])
    func numbered(names: [String], expected: [String]) {
        #expect(names.numbered == expected)
    }
}
