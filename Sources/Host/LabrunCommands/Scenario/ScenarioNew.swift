import ArgumentParser
import Foundation
import LinuxKernel
import Matrix
import Scenario

/// `labrun scenario new NAME`: writes a first scenario that is valid and whose comments say what it may contain.
struct ScenarioNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Write NAME.yaml, a commented scenario to start from.")

    @Argument(help: "Name of lower-case letters, digits and dashes.")
    var name: String

    @Option(help: "Folder to write to.")
    var folder: String = "."

    @Option(
        help: """
            Write the scenario of who reaches whom with every configuration of a routing mode instead, and its lab: \
            \(DatapathConfiguration.Routing.allCases.map(\.rawValue).joined(separator: ", ")).
            """)
    var matrix: DatapathConfiguration.Routing?

    func validate() throws {
        guard ScenarioTemplate.text(name: name) != nil else {
            throw ValidationError("\"\(name)\" is not a name of at most 63 lower-case letters, digits and dashes")
        }
    }

    func run() throws {
        guard let text = ScenarioTemplate.text(name: name) else { return }
        var files = ["\(name).yaml": text]
        if let matrix {
            let generated = ConfigurationScenario(
                rows: DatapathConfiguration.rows(matrix, withoutReplacement: .kubeProxy), name: name)
            files = ["\(name).yaml": generated.text, generated.labFile: generated.lab]
        }
        for (file, text) in files.sorted(by: { $0.key > $1.key }) { try write(text, to: file) }
        let path = self.path(of: "\(name).yaml")
        try StandardOutput.write("\(path) written; check it with: labrun scenario validate \(path)")
    }

    private func path(of file: String) -> String {
        folder == "." ? file : (folder.hasSuffix("/") ? folder : folder + "/") + file
    }

    private func write(_ text: String, to file: String) throws {
        let path = path(of: file)
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
            do throws(SystemError) { try file.writeAll(text.utf8) } catch {
                unlink(path)
                throw error
            }
        } catch {
            StandardError.write(
                error.code == EEXIST
                    ? "\(path) exists already; it is left as it is" : "\(path) cannot be written: \(error.reason)")
            throw ExitCode(2)
        }
    }
}

extension DatapathConfiguration.Routing: ExpressibleByArgument {}
