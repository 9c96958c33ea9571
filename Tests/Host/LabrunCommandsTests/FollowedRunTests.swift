import RunEvents
import Testing

@testable import LabrunCommands

@Suite struct FollowedRunTests {
    private let result = RunEvent.Payload.runFinished(RunResult(verdict: .pass, message: "", durationSeconds: 1))
    private let log = RunEvent.Payload.log(LogRecord(level: .info, source: "lab", message: "booting"))

    private func run(_ payloads: RunEvent.Payload...) -> FollowedRun {
        payloads.reduce(into: FollowedRun()) { $0.take($1) }
    }

    @Test func aLabThatRefusedBeforeItBeganIsNoRun() {
        let refused = run(.labHandover(LabHandover(refusals: ["node1 is silent"])))
        #expect(refused.end(status: "exit 3", wasInterrupted: false) == .refused(["node1 is silent"]))
        let silent = run().end(status: "exit 3", wasInterrupted: false)
        #expect(silent == .refused(["the lab host ended before the run did: exit 3"]))
    }

    /// The lab may end after its refusal was written and before its result was, as in a kill during teardown.
    @Test func aRunThatBeganIsNeverCarriedOutAgain() {
        for begun in [run(log), run(log, .labHandover(LabHandover(refusals: ["it was killed"])))] {
            #expect(
                begun.end(status: "signal 9", wasInterrupted: false)
                    == .died("the lab host ended before the run did: signal 9"))
            #expect(begun.end(status: nil, wasInterrupted: true) == .interrupted)
        }
    }

    @Test func aResultCountsHoweverTheLabEnds() {
        #expect(run(log, result).end(status: "signal 9", wasInterrupted: true) == .finished)
    }

    @Test func onlyALabThatWasHandedOnStays() {
        #expect(run(log, .labHandover(LabHandover(refusals: [])), result).isHandedOn)
        #expect(!run(log, .labHandover(LabHandover(refusals: []))).isHandedOn)
        #expect(!run(log, .labHandover(LabHandover(refusals: ["pods are left"])), result).isHandedOn)
        #expect(!run(log, result).isHandedOn)
    }

    @Test func aSummaryHasALineForEachScenarioAndCounts() {
        #expect(
            RunsSummary.lines(of: [("a", .pass), ("b", .infraError), ("c", .pass)], notRun: 1) == [
                "pass         a", "infra-error  b", "pass         c",
                "4 scenarios: 2 pass, 1 infra-error, 1 not run",
            ])
    }
}
