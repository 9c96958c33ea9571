import ArgumentParser
import Diagnosis
import Faults
import PlainText
import Scenario
import ScenarioReading

/// `labrun scenario explain FILE`: describes in words what a run would do.
struct ScenarioExplain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say in words what a scenario will do; nothing is started.")

    @Argument(help: "A scenario file, or the name of a shipped one.")
    var path: String

    @Option(help: "Number of nodes, instead of the lab's.")
    var nodes: Int?

    @Option(help: ArgumentHelp("Change a value of the lab, as for a run.", valueName: "path=value"))
    var set: [String] = []

    func run() throws {
        var settings = try set.map { text in
            guard let setting = Setting(text) else { throw ValidationError("--set takes path=value, not \(text)") }
            return setting
        }
        if let nodes { settings.append(Setting(path: "nodes.count", value: String(nodes), option: "--nodes")) }
        let faults = FaultCatalogue.shipped.descriptors
        do {
            let loaded = try ScenarioLoader.load(path, faults: faults, diagnoses: Diagnosis.ids, settings: settings)
            for warning in loaded.warnings { StandardError.write(warning.description) }
            try StandardOutput.write(PlainText.lines("\(ScenarioExplanation(loaded, faults: faults))"))
        } catch let error as ProblemReport {
            StandardError.write(error.description)
            throw ExitCode(2)
        }
    }
}
