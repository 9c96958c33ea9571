import Expectations
import LinuxKernel
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Runner

/// A round of two pods, of which one calls the other over UDP, on a host that had hardly any time for the nodes.
@Suite struct RoundTests {
    private let starved = StepTime(agreedAfter: nil, elapsed: 40, within: 10, starved: 35)

    private func round(
        _ observed: Outcome, sent: Int, verdict: CellVerdict, result: ExpectationResult.State = .unmet
    ) -> Round {
        let ends = ["a", "b"].map { name in
            Endpoint(
                id: "default/\(name)", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.1",
                port: 8080, labels: [:])
        }
        let key = CellKey(from: ends[0].id, to: ends[1].id, protocol: .udp, port: 8080)
        let probe = ProbeMeasurement(
            key: key, observed: observed, latencyMicros: nil, localPort: 4711, requestArrived: nil, sent: sent,
            answered: 0)
        let observation = Observation(
            endpoints: ends,
            measurement: Measurement(
                endpoints: ends, probes: [probe], seconds: 1, longestRoundTripMicros: 0, packets: 50, missing: [:]))
        let cell = Cell(
            key: key, expected: nil, observed: observed, verdict: verdict, latencyMicros: nil, attempts: 1, why: [])
        return Round(
            observation: observation, cells: [cell], results: [ExpectationResult("matrix 1", result, "x")],
            mark: RoundMark(fabric: .now, agents: [:]), since: 0)
    }

    @Test(
        arguments: [
            (.timeout, 1, .fail, true), (.timeout, 1, .notMeasured, true), (.loss(percent: 40), 50, .fail, true),
            (.loss(percent: 40), 50, .notMeasured, true), (.notMeasured, 20, .notMeasured, true),
            // It is as expected, the node was not asked, or it was an answer.
            (.timeout, 1, .pass, false), (.loss(percent: 40), 50, .pass, false), (.notMeasured, 0, .notMeasured, false),
            (.refused, 1, .fail, false), (.open, 1, .fail, false),
        ] as [(Outcome, Int, CellVerdict, Bool)])
    func `missing answers and packets ask for patience`(
        _ observed: Outcome, _ sent: Int, _ verdict: CellVerdict, _ lacks: Bool
    ) {
        #expect(round(observed, sent: sent, verdict: verdict).lacksPatience == lacks)
    }

    @Test func `cells follow the results that are taken back, but for answers`() {
        var silent = round(.timeout, sent: 1, verdict: .fail)
        silent.judge(starved, certain: [])
        #expect(silent.results.map(\.state) == [.inconclusive])
        #expect(silent.cells.map(\.verdict) == [.notMeasured])
        var served = round(.open, sent: 1, verdict: .fail)
        served.judge(starved, certain: ["matrix 1"])
        #expect(served.results.map(\.state) == [.unmet])
        #expect(served.cells.map(\.verdict) == [.fail])
        var late = round(.open, sent: 1, verdict: .fail)
        late.judge(starved, certain: [])
        #expect(late.results.map(\.state) == [.inconclusive])
        #expect(late.cells.map(\.verdict) == [.fail])
    }
}
