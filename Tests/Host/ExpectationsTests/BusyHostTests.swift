import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct BusyHostTests {
    private let busy = SilenceDoubt(asked: 1, waited: 1, starved: 0.9)

    private func judge(_ fixture: ObservationFixture, _ silence: SilenceDoubt) -> ([Cell], ExpectationResult?) {
        var observation = fixture.observation
        observation.silence = silence
        let judge = Judge(
            Expectations([ObservationFixture.rule(nil, nil, "open")]), nodeCount: 2)
        let cells = judge.cells(observation)
        return (cells, judge.rounds(observation, cells: cells).first)
    }

    @Test func silenceOnABusyHostIsNoMeasurement() throws {
        let silent = ObservationFixture(outcomes: ["default/web-node1>default/web-node2": .timeout])
        #expect(judge(silent, SilenceDoubt()).1?.state == .unmet)
        let (cells, result) = judge(silent, busy)
        #expect(result?.state == .inconclusive)
        #expect(result?.message.contains("900 ms of the 1000 ms") == true)
        #expect(cells.count { $0.verdict == .notMeasured } == 3)
        #expect(!cells.contains { $0.verdict == .fail })
        // An answer counts, however busy the host is.
        let refused = ObservationFixture(outcomes: ["default/web-node1>default/web-node2": .refused])
        #expect(judge(refused, busy).1?.state == .unmet)
        #expect(judge(ObservationFixture(), busy).1?.state == .met)
    }

    @Test func healthThatIsMissingOnABusyHostIsInconclusive() {
        var observation = ObservationFixture().observation
        observation.health = [HealthRecord(node: "node1", reachable: 1, total: 2, peers: [])]
        let expected = HealthExpectation(nodes: ["node1"], reachable: 0, total: nil, allReachable: true)
        #expect(Judge.results([expected], observation).first?.state == .unmet)
        observation.healthSilence = busy
        #expect(Judge.results([expected], observation).first?.state == .inconclusive)
        observation.health = [HealthRecord(node: "node1", reachable: 2, total: 3, peers: [])]
        #expect(Judge.results([expected], observation).first?.state == .unmet)
    }

    @Test func streamsThatTheHostHeldUpAreInconclusive() {
        func state(gap: Int, silent: Int, starved: Double) -> ExpectationResult.State? {
            var observation = ObservationFixture().observation
            observation.streams = [
                StreamObservation(
                    from: ObservationFixture.endpoints[0], to: ObservationFixture.endpoints[1], protocol: .tcp,
                    established: true, sent: 100, answered: 90, longestGapMillis: gap, intervalMillis: 20,
                    silentMillis: silent, ended: nil)
            ]
            observation.starvation = Starvation(
                [Starvation.Interval](repeating: .init(seconds: 0.1, starved: starved), count: 200))
            let expected = StreamExpectation(
                cells: CellSelection(
                    from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod), where: .crossNode,
                    protocols: [.tcp]), survive: true, maxGapMillis: 1000)
            return Judge.results([expected], observation).first?.state
        }
        #expect(state(gap: 1834, silent: 10, starved: 0.095) == .inconclusive)
        #expect(state(gap: 1834, silent: 10, starved: 0.01) == .unmet)
        #expect(state(gap: 10_000, silent: 10, starved: 0.002) == .unmet)
        #expect(state(gap: 40, silent: 1500, starved: 0.095) == .inconclusive)
        #expect(state(gap: 40, silent: 1500, starved: 0.01) == .unmet)
        #expect(state(gap: 900, silent: 10, starved: 0.095) == .met)
    }
}
