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
}
