import ArgumentParser
import Diagnosis
import Faults
import Foundation
import PlainText
import Scenario
import ScenarioReading
import ShippedScenarios

/// `labrun scenario list [PATH…]`: lists scenarios.
struct ScenarioList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the scenarios that ship, or those of folders.", aliases: ["ls"])

    @Argument(help: "Scenario files or folders; the shipped scenarios when none is given.")
    var paths: [String] = []

    @Flag(help: "Print JSON.")
    var json = false

    private struct Row: Encodable {
        let name: String
        let title: String
        let lab: String
        let file: String
        let labels: [String: String]
        let steps: [String]
    }

    func run() throws {
        var rows: [Row] = []
        var problems: [Problem] = []
        let files: [String]
        do {
            files = paths.isEmpty ? ShippedScenarios.names : try ScenarioLoader.files(in: paths)
        } catch {
            StandardError.write(error.description)
            throw ExitCode(2)
        }
        for file in files {
            do {
                rows.append(row(try ScenarioLoader.load(file, faults: FaultCatalogue.shipped.descriptors)))
            } catch {
                problems += error.problems
            }
        }
        for problem in problems { StandardError.write(problem.description) }
        if files.isEmpty { StandardError.write("no scenario file in \(paths.joined(separator: ", "))") }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardOutput.write(String(decoding: encoder.encode(rows), as: UTF8.self))
        } else {
            let width = rows.map(\.name.count).max() ?? 0
            for row in rows {
                try StandardOutput.write(
                    row.name + String(repeating: " ", count: width - row.name.count + 2) + PlainText.line(row.title))
            }
        }
        if !problems.isEmpty || files.isEmpty { throw ExitCode(2) }
    }

    private func row(_ loaded: LoadedScenario) -> Row {
        let scenario = loaded.scenario
        return Row(
            name: scenario.metadata.name, title: scenario.metadata.title, lab: loaded.profile.name, file: loaded.file,
            labels: scenario.metadata.labels, steps: scenario.spec.timeline.map(\.name))
    }
}
