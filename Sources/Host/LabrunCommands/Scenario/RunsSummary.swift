import Reports
import RunEvents

/// The closing lines of a command that ran several scenarios: a verdict for each, and how many there are of each.
enum RunsSummary {
    /// - Parameters:
    ///   - runs: Names and verdicts, in the order in which they ran.
    ///   - notRun: How many scenarios an interruption left out.
    static func lines(of runs: [(name: String, verdict: Verdict)], notRun: Int = 0) -> [String] {
        let width = runs.map(\.verdict.rawValue.count).max() ?? 0
        let counts = [Verdict.pass, .fail, .inconclusive, .infraError, .dirtyRollback, .interrupted].compactMap {
            verdict -> String? in
            let count = runs.count { $0.verdict == verdict }
            return count == 0 ? nil : "\(count) \(verdict.rawValue)"
        }
        let rest = notRun == 0 ? [] : ["\(notRun) not run"]
        return runs.map { run in
            run.verdict.rawValue + String(repeating: " ", count: width - run.verdict.rawValue.count) + "  " + run.name
        } + ["\(runs.count + notRun) scenarios: " + (counts + rest).joined(separator: ", ")]
    }
}
