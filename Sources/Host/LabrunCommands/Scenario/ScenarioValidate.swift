import ArgumentParser
import Diagnosis
import Faults
import Foundation
import PlainText
import Scenario
import ScenarioReading

/// `labrun scenario validate PATH…`: boots nothing and reports every mistake.
struct ScenarioValidate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check scenario and lab files, and report every mistake.",
        discussion: """
            Mistakes go to standard error, one a line: file:line:column: what is wrong. Ends with 2 when there is one; \
            warnings are no mistakes.
            """)

    @Argument(help: "Scenario or lab files, folders of them, or names of shipped scenarios.")
    var paths: [String]

    @Option(help: ArgumentHelp("Change a value of the lab, as for a run.", valueName: "path=value"))
    var set: [String] = []

    @Flag(help: "Print what was found as JSON on standard output.")
    var json = false

    private struct Result: Encodable {
        let valid: Bool
        let files: [String]
        let problems: [Problem]
    }

    func run() throws {
        let settings = try set.map { text in
            guard let setting = Setting(text) else { throw ValidationError("--set takes path=value, not \(text)") }
            return setting
        }
        var problems: [Problem] = []
        var files: [String] = []
        do {
            files = try ScenarioLoader.files(in: paths)
        } catch {
            problems += error.problems
        }
        for path in files {
            let found: [Problem]
            var name = path
            do {
                let source = try ScenarioLoader.source(of: path)
                name = source.file
                let parser = ScenarioParser(
                    faults: FaultCatalogue.shipped.descriptors, diagnoses: Diagnosis.ids, profiles: source.profiles)
                found = parser.check(source.bytes, file: source.file, settings: settings)
            } catch {
                found = error.problems
            }
            problems += found
            if !json, !found.contains(where: { $0.severity == .error }) {
                try StandardOutput.write("\(PlainText.line(name, limit: 4_096)): valid")
            }
        }
        let valid = !problems.contains { $0.severity == .error } && !files.isEmpty
        for problem in problems { StandardError.write(problem.description) }
        if files.isEmpty, problems.isEmpty {
            StandardError.write("no scenario file in \(paths.joined(separator: ", "))")
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let result = Result(valid: valid, files: files, problems: problems)
            try StandardOutput.write(String(decoding: encoder.encode(result), as: UTF8.self))
        }
        if !valid { throw ExitCode(2) }
    }
}
