import ArgumentParser
import Foundation
import Scenario

/// `labrun scenario new NAME`: writes a start that is valid and says what may stand where.
struct ScenarioNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Write NAME.yaml, a commented scenario to start from.")

    @Argument(help: "Name of lower-case letters, digits and dashes.")
    var name: String

    @Option(help: "Folder to write to.")
    var folder: String = "."

    func run() throws {
        guard let text = ScenarioTemplate.text(name: name) else {
            throw ValidationError("\"\(name)\" is not a name of at most 63 lower-case letters, digits and dashes")
        }
        let path = folder == "." ? "\(name).yaml" : "\(folder.hasSuffix("/") ? folder : folder + "/")\(name).yaml"
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .withoutOverwriting)
        } catch let error as CocoaError where error.code == .fileWriteFileExists {
            FileOutput.standardError.write("\(path) exists already; it is left as it is")
            throw ExitCode(2)
        } catch {
            FileOutput.standardError.write("\(path) cannot be written: \(error.localizedDescription)")
            throw ExitCode(2)
        }
        print("\(path) written; check it with: labrun scenario validate \(path)")
    }
}
