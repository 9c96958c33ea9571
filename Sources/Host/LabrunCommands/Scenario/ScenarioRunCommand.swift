import ArgumentParser
import Diagnosis
import Faults
import Files
import Foundation
import Reports
import RunEvents
import Scenario
import ScenarioReading

/// `labrun scenario [run] PATH…`: runs scenarios one after the other. Neighbours with equal labs share one.
struct ScenarioRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run scenarios: files, folders, or the names of shipped ones.")

    @Argument(help: "Scenario files or folders, or names that `labrun scenario list` prints.")
    var paths: [String]

    @Option(help: "Folder for the report. Default: reports/out/TIME-NAME.")
    var reportDir: String?

    @Option(help: "What to print on standard output: \(OutputFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var output: OutputFormat = .text

    @Option(help: "Also write the JUnit report to this file.")
    var junit: String?

    @Option(help: "Also write the HTML report to this file.")
    var html: String?

    @Option(help: "Number of nodes, instead of the lab's.")
    var nodes: Int?

    @Option(help: "Kernel series of the nodes: 5.10, 6.1, 6.12 or 7.2.")
    var kernel: String?

    @Option(
        help: ArgumentHelp(
            "Change a value of the lab: nodes.memoryMiB=160, datapath.values.NAME=VALUE.", valueName: "path=value"))
    var set: [String] = []

    @Option(
        help: ArgumentHelp(
            "Folder of kube-apiserver, kube-controller-manager, kube-scheduler and etcd for labs with a control plane.",
            valueName: "folder"))
    var controlPlaneBin: String?

    @Option(help: "Seed of everything that is random.")
    var seed: UInt64?

    @Option(help: "Seconds that each scenario may take.")
    var timeout: Double = 600

    @Flag(help: "Stop after a step that did not pass, until Enter is pressed.")
    var pauseOnFail = false

    @Flag(help: "Keep the lab after the last step, until interrupted.")
    var keep = false

    @Flag(help: "No colours, as with NO_COLOR.")
    var noColor = false

    @Flag(help: "Boot a lab for every scenario, even where the lab of the scenario before could serve.")
    var freshLabs = false

    @Flag(name: .shortAndLong, help: "Messages of the lab, too.")
    var verbose = false

    func validate() throws {
        guard !paths.isEmpty else {
            throw ValidationError("name a scenario file; `labrun scenario list` prints those shipped")
        }
        guard reportDir != "" else { throw ValidationError("--report-dir takes a folder, and is empty") }
        guard timeout > 0, timeout <= 86_400 else { throw ValidationError("--timeout takes seconds, up to 86400") }
    }

    mutating func run() async throws {
        let scenarios = try load()
        if scenarios.count > 1, html != nil {
            throw ValidationError("--html takes one scenario; every report folder has its own report.html")
        }
        let root = try Self.absolute(reportDir ?? "reports/out")
        if scenarios.count > 1, let junit {
            do {
                let file = ReportFile(path: junit)
                try file.check()
                try file.removeEarlier()
            } catch {
                StandardError.write("labrun: \(error)")
                throw ExitCode(Verdict.infraError.exitCode)
            }
        }
        var verdicts: [Verdict] = []
        var reports: [(report: RunReport, folder: String)] = []
        // Files may share a metadata.name, and no report may replace another.
        let names = scenarios.map(\.scenario.metadata.name).numbered
        let input = SessionInput(pauses: pauseOnFail || keep)
        var lab = FormerLab.none
        for (index, (scenario, name)) in zip(scenarios, names).enumerated() {
            let folder = reportFolder(name, in: root, alone: scenarios.count == 1)
            let session = ScenarioSession(
                scenario: scenario, folder: folder, options: options(alone: scenarios.count == 1), input: input)
            let next = scenarios.indices.contains(index + 1) ? scenarios[index + 1] : nil
            let outcome = await session.run(after: lab, handsOn: next.map { sharesLab(scenario, $0) } ?? false)
            lab = outcome.lab
            verdicts.append(outcome.verdict)
            reports.append((outcome.report, folder))
            guard input.wasInterrupted || outcome.verdict == .interrupted else { continue }
            // An interruption may come too late to change the run's own verdict.
            verdicts.append(.interrupted)
            break
        }
        await lab.end()
        if scenarios.count > 1 { summarize(Array(zip(names, verdicts.prefix(reports.count))), of: scenarios.count) }
        if scenarios.count > 1, let junit { verdicts.append(writeJUnit(of: reports, to: junit)) }
        throw ExitCode(Verdict.worst(of: verdicts).exitCode)
    }

    /// Tells the verdicts on standard error, so that they are seen whatever goes to standard output.
    private func summarize(_ runs: [(String, Verdict)], of count: Int) {
        let lines = RunsSummary.lines(of: runs.map { (name: $0, verdict: $1) }, notRun: count - runs.count)
        for line in lines { StandardError.write(line) }
    }

    /// Whether the lab of a scenario may serve the next one. The lab host compares all of what they are made from; what
    /// is compared here is what that depends on. A lab that a person looks at with `--keep` is nobody else's.
    private func sharesLab(_ scenario: LoadedScenario, _ next: LoadedScenario) -> Bool {
        guard !freshLabs, !keep else { return false }
        // What a scenario left among the objects is not compared.
        guard !scenario.profile.controlPlane.enabled else { return false }
        func needs(_ scenario: LoadedScenario) -> Bool {
            scenario.scenario.needsUserland(in: scenario.profile, faults: FaultCatalogue.shipped.descriptors)
        }
        return needs(scenario) == needs(next) && scenario.profile.isSame(as: next.profile)
    }

    /// Writes one file with a suite for every run, whose attachments are in the run's own report folder. A file that
    /// cannot be written counts as a failure of the instrument.
    private func writeJUnit(of reports: [(report: RunReport, folder: String)], to path: String) -> Verdict {
        do {
            try AtomicFile.write(try JUnitReporter.xml(reports), to: path)
            return .pass
        } catch {
            StandardError.write("labrun: cannot write \(path): \(error)")
            return .infraError
        }
    }

    /// Checks everything before anything is started.
    private func load() throws -> [LoadedScenario] {
        var problems: [Problem] = []
        var loaded: [LoadedScenario] = []
        let overrides = try overrideSettings()
        do {
            for path in try ScenarioLoader.files(in: paths) {
                do {
                    let scenario = try ScenarioLoader.load(
                        path, faults: FaultCatalogue.shipped.descriptors, diagnoses: Diagnosis.ids, settings: overrides)
                    loaded.append(scenario)
                    problems += scenario.warnings
                } catch {
                    problems += error.problems
                }
            }
        } catch {
            problems += error.problems
        }
        for problem in problems { StandardError.write(problem.description) }
        if problems.contains(where: { $0.severity == .error }) { throw ExitCode(2) }
        let mistakes = Set(loaded.compactMap { ControlPlaneChoice($0.profile)?.mistake?.description })
        for mistake in mistakes.sorted() { StandardError.write(mistake) }
        if !mistakes.isEmpty { throw ExitCode(2) }
        guard !loaded.isEmpty else {
            StandardError.write("no scenario found in \(paths.joined(separator: ", "))")
            throw ExitCode(2)
        }
        return loaded
    }

    private func overrideSettings() throws -> [Setting] {
        var settings: [Setting] = []
        if let nodes { settings.append(Setting(path: "nodes.count", value: String(nodes), option: "--nodes")) }
        if let kernel { settings.append(Setting(path: "nodes.kernel", value: kernel, option: "--kernel")) }
        if let controlPlaneBin {
            settings.append(
                Setting(path: "controlPlane.binaries", value: controlPlaneBin, option: "--control-plane-bin"))
        }
        for text in set {
            guard let setting = Setting(text) else {
                throw ValidationError("--set takes path=value, for example nodes.memoryMiB=160, not \(text)")
            }
            settings.append(setting)
        }
        return settings
    }

    private func options(alone: Bool) -> ScenarioSession.Options {
        ScenarioSession.Options(
            output: output, junit: alone ? junit : nil, html: alone ? html : nil,
            seed: seed ?? UInt64.random(in: 1...UInt64(UInt32.max)), timeout: timeout, pauseOnFail: pauseOnFail,
            keep: keep, noColour: noColor, verbose: verbose)
    }

    private func reportFolder(_ name: String, in root: String, alone: Bool) -> String {
        if reportDir != nil { return alone ? root : root + "/" + name }
        let format = Date.VerbatimFormatStyle(
            format: """
                \(year: .defaultDigits)\(month: .twoDigits)\(day: .twoDigits)-\
                \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased))\
                \(minute: .twoDigits)\(second: .twoDigits)
                """,
            timeZone: .current, calendar: Calendar(identifier: .gregorian))
        var path = "\(root)/\(Date().formatted(format))-\(name)"
        var number = 2
        while FileManager.default.fileExists(atPath: path) {
            path = "\(root)/\(Date().formatted(format))-\(name)-\(number)"
            number += 1
        }
        return path
    }

    /// The path as seen from the working directory. If that directory was removed, a relative path means no place, and
    /// the reports would be written below `/`.
    static func absolute(
        _ path: String, from directory: String = FileManager.default.currentDirectoryPath
    ) throws -> String {
        if path.hasPrefix("/") { return path }
        guard directory.hasPrefix("/") else {
            throw ValidationError(
                "the working directory was removed, so there is no place for \(path); "
                    + "change to another one, or give --report-dir an absolute path")
        }
        return (directory == "/" ? "" : directory) + "/" + path
    }
}

extension OutputFormat: ExpressibleByArgument {}
