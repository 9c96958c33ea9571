import Foundation
import Reports
import RunEvents
import Testing

extension LabrunProgram.Ended {
    /// Records one issue if a run did not pass. Its first lines say what did not hold, and everything that was printed
    /// follows.
    func expectPass(_ report: RunReport?, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            status == 0 && report?.verdict == .pass && report?.stepsNotRun.isEmpty == true
                && report?.steps.allSatisfy { $0.verdict == .pass } == true,
            "\(report?.shortfall ?? "no report")\n\(output)\n\(errors)", sourceLocation: sourceLocation)
    }

    /// Reads the report of a run, which must have passed.
    @discardableResult
    func passed(
        in folder: ScratchFolder, _ name: String = "report", sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> RunReport {
        let report = Result { try folder.report(name) }
        expectPass(try? report.get(), sourceLocation: sourceLocation)
        return try report.get()
    }
}

extension RunReport {
    /// What did not hold, in one line each, in the order of the steps.
    var shortfall: String {
        let unmet = steps.flatMap { step in
            (step.message.map { ["\(step.name): \($0)"] } ?? [])
                + step.expectations.filter { $0.state != .met }.map {
                    "\(step.name): \($0.name): \($0.state), \($0.message)"
                }
        }
        return (["\(scenario.name): \(verdict), \(message)"] + unmet.prefix(8)).joined(separator: "\n")
    }

    /// Whether the run is inconclusive for nothing but a host that had no time for its nodes.
    var isUndecidedByTheHost: Bool {
        let open = steps.flatMap(\.expectations).filter { $0.state != .met }
        return verdict == .inconclusive && !open.isEmpty
            && open.allSatisfy { $0.state == .inconclusive && $0.message.contains("the host ") }
    }
}

/// A run that has ended, with its report.
struct FinishedRun {
    let ended: LabrunProgram.Ended
    let report: RunReport

    /// How often a scenario is run whose verdict the host's load prevents.
    private static let attempts = 3

    /// Runs a scenario; nothing of it may be left when it has ended.
    ///
    /// A run that the host's load leaves without a verdict says nothing about labrun, and is made again, which the
    /// output says. After the third one the test fails: nothing was measured.
    init(_ scenario: String, alone: Bool = false, _ options: [String] = []) async throws {
        var run = try await FinishedRun(once: scenario, alone: alone, options)
        for attempt in 2...Self.attempts where run.report.isUndecidedByTheHost {
            let place = "\(run.report.scenario.name): run \(attempt) of \(Self.attempts)"
            print("\(place), since the host was busy: \(run.report.message)")
            run = try await FinishedRun(once: scenario, alone: alone, options)
        }
        self = run
    }

    /// Returns a run that several tests read. The first one that asks makes it, and the others wait for it.
    ///
    /// A lab that its steps leave clean serves all these tests, which saves a boot each: the run compares the lab with
    /// what it was before a fault when it undoes it, and says so when something is left.
    ///
    /// - Parameter name: A scenario of these tests.
    static func shared(_ name: String) async throws -> FinishedRun { try await SharedRuns.all.run(name) }

    /// Returns the run of a scenario among several that one command runs, in a lab that they share as far as each
    /// leaves it clean. The first test that asks runs all of them, and the others wait for it.
    ///
    /// A run that the host's load leaves without a verdict is made again alone. So is every run if tests are chosen
    /// (`make test FILTER=…`), since then the others may not be asked for.
    static func together(_ name: String, of names: [String]) async throws -> FinishedRun {
        let isChosen = ProcessInfo.processInfo.environment["FILTER"]?.isEmpty == false
        guard !isChosen else { return try await FinishedRun(name) }
        let run = try await SharedRuns.all.run(name, of: names)
        guard run.report.isUndecidedByTheHost else { return run }
        print("\(name): run again alone, since the host was busy: \(run.report.message)")
        return try await FinishedRun(name)
    }

    /// Runs scenarios with one command; nothing of it may be left when it has ended.
    fileprivate static func runs(of names: [String]) async throws -> [String: FinishedRun] {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let ended = try await LabrunProgram().run(scenarios: names, in: folder)
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
        let reports = names.reduce(into: [:]) { $0[$1] = try? folder.report("report/\($1)") }
        #expect(Set(reports.keys) == Set(names), "\(ended.output)\n\(ended.errors)")
        #expect(ended.status == Verdict.worst(of: reports.values.map(\.verdict)).exitCode, "\(ended.errors)")
        // The first boots the lab. One more may boot its own, where a node that was crashed differs in something.
        let refusals = reports.values.compactMap { $0.lab?.notKept?.because }.joined()
        #expect(reports.values.count { $0.lab?.kept != nil } >= names.count - 2, "\(Array(refusals))")
        return reports.reduce(into: [:]) { runs, entry in
            let (name, report) = entry
            // The command's own status is the worst of all.
            let own = LabrunProgram.Ended(
                status: report.verdict.exitCode, output: ended.output, errors: ended.errors)
            runs[name] = FinishedRun(ended: own, report: report)
        }
    }

    private init(ended: LabrunProgram.Ended, report: RunReport) {
        self.ended = ended
        self.report = report
    }

    private init(once scenario: String, alone: Bool, _ options: [String]) async throws {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        ended = try await LabrunProgram().run(scenario: scenario, in: folder, alone: alone, options)
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
        do {
            report = try folder.report()
        } catch {
            Issue.record("no report: \(error)\n\(ended.output)\n\(ended.errors)")
            throw error
        }
    }

    /// Runs a scenario that must pass and measure something.
    static func passing(
        _ scenario: String, alone: Bool = false, _ options: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RunReport {
        try await FinishedRun(scenario, alone: alone, options).passed(sourceLocation: sourceLocation)
    }

    /// Expects that the run passed and measured something.
    @discardableResult
    func passed(sourceLocation: SourceLocation = #_sourceLocation) -> RunReport {
        ended.expectPass(report, sourceLocation: sourceLocation)
        #expect(report.steps.contains { $0.matrix?.cells.isEmpty == false }, sourceLocation: sourceLocation)
        return report
    }

    /// Expects all ordered pairs of two pods a node, and of the nodes, over three protocols.
    func expectAllPairs(nodes: Int) {
        ended.expectPass(report)
        #expect(report.lab?.nodes.count == nodes)
        let pods = 2 * nodes
        let pairs = pods * (pods - 1) + nodes * (nodes - 1)
        #expect(report.steps.first?.matrix?.cells.count == 3 * pairs)
    }
}

/// The runs that several tests read, by the names of their scenarios.
private actor SharedRuns {
    static let all = SharedRuns()
    private var runs: [String: Task<FinishedRun, any Error>] = [:]
    private var groups: [[String]: Task<[String: FinishedRun], any Error>] = [:]

    func run(_ name: String) async throws -> FinishedRun {
        let run = runs[name] ?? Task { try await FinishedRun(LabrunProgram.scenario(name)) }
        runs[name] = run
        return try await run.value
    }

    func run(_ name: String, of names: [String]) async throws -> FinishedRun {
        let group = groups[names] ?? Task { try await FinishedRun.runs(of: names) }
        groups[names] = group
        guard let run = try await group.value[name] else { throw CocoaError(.fileNoSuchFile) }
        return run
    }
}
