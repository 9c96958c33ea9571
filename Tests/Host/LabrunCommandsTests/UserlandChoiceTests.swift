import Foundation
import Scenario
import ScenarioReading
import Testing

@testable import LabrunCommands
@testable import NodeImage

/// What is said of packages that the archive does not have.
@Suite struct UserlandChoiceTests {
    @Test func `packages that the archive lacks are told with their places and the nearest names`() throws {
        let path = NSTemporaryDirectory() + "labrun-images-\(UUID().uuidString.prefix(8)).yaml"
        try "packages:\n  - jq\n  - cowsya\n  - zzzzzzzz\n".write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let choice = UserlandChoice(images: try UserImages.load(path))
        let known = ["busybox", "cowsay", "jq"]
        let unknown = UnknownPackages(suite: "bookworm", names: ["cowsya", "zzzzzzzz"], known: known)
        let report = try #require(choice.report(unknown) as? ProblemReport)
        #expect(
            report.problems.map(\.description) == [
                "\(path):3:5: Debian bookworm has no package \"cowsya\"; did you mean \"cowsay\"?",
                "\(path):4:5: Debian bookworm has no package \"zzzzzzzz\"; expected a package of Debian bookworm",
            ])
        // What the lab itself asks for is no mistake of the user's.
        #expect(choice.report(UnknownPackages(suite: "bookworm", names: ["curl"], known: known)) == nil)
        #expect(UserlandChoice(images: nil).report(unknown) == nil)
    }
}
