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
        // Answers that are missing in part may have been held up as well.
        let lossy = ObservationFixture(outcomes: ["default/web-node1>default/web-node2": .loss(percent: 40)])
        #expect(judge(lossy, SilenceDoubt()).1?.state == .unmet)
        #expect(judge(lossy, busy).1?.state == .inconclusive)
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

    @Test func `health that is expected to be missing is not shown by a busy host`() {
        var observation = ObservationFixture().observation
        let silent = HealthRecord.Peer(name: "node2", address: "10.0.0.12", node: false, endpoint: false)
        observation.health = [HealthRecord(node: "node1", reachable: 1, total: 2, peers: [silent])]
        let expected = HealthExpectation(nodes: ["node1"], reachable: 1, total: nil, allReachable: false)
        #expect(Judge.results([expected], observation).first?.state == .met)
        observation.healthSilence = busy
        #expect(Judge.results([expected], observation).first?.state == .inconclusive)
        // The hypervisor says why node2 does not answer.
        observation.nodes[1].power = .stopped
        #expect(Judge.results([expected], observation).first?.state == .met)
        // More answers than expected are no silence.
        let none = HealthExpectation(nodes: ["node1"], reachable: 0, total: nil, allReachable: false)
        observation.nodes[1].power = .running
        #expect(Judge.results([none], observation).first?.state == .unmet)
    }

    /// - Parameter silent: The findings that nothing but the missing answers of one pod supports.
    private func diagnosis(
        _ id: String, _ found: [String], silent: [String] = [], mentions: [String] = [], busy: Bool = true,
        outcome: Outcome = .timeout
    ) -> ExpectationResult.State? {
        let ends = ObservationFixture.endpoints
        var observation = ObservationFixture(outcomes: ["\(ends[0].id)>\(ends[1].id)": outcome]).observation
        observation.findings = found.map {
            Finding(id: $0, summary: "node1", evidence: [], fix: "", confidence: 0.5)
        }
        let cells = observation.measurement.probes.map(\.key).filter { $0.from == ends[0].id }
        observation.silentFindings = Dictionary(uniqueKeysWithValues: silent.map { ($0, Set(cells)) })
        if busy { observation.silence = self.busy }
        return Judge.results([DiagnosisExpectation(id: id, mentions: mentions)], observation).first?.state
    }

    @Test func `a diagnosis of cells that were not measured is inconclusive`() {
        func state(_ id: String, _ silent: [String], _ outcome: Outcome) -> ExpectationResult.State? {
            diagnosis(id, ["unknown"], silent: silent, busy: false, outcome: outcome)
        }
        #expect(state("none", ["unknown"], .notMeasured) == .inconclusive)
        #expect(state("datapath/drop", ["unknown"], .notMeasured) == .inconclusive)
        #expect(state("unknown", ["unknown"], .notMeasured) == .inconclusive)
        #expect(state("none", ["unknown"], .timeout) == .unmet)
        #expect(state("none", [], .notMeasured) == .unmet)
    }

    @Test func `a diagnosis of silence on a busy host is inconclusive`() {
        #expect(diagnosis("none", ["unknown"], silent: ["unknown"], busy: false) == .unmet)
        #expect(diagnosis("none", ["unknown"], silent: ["unknown"]) == .inconclusive)
        #expect(diagnosis("none", []) == .met)
        // What rests on a record or on an answer is the lab's, however busy the host is.
        #expect(diagnosis("none", ["unknown"]) == .unmet)
        #expect(diagnosis("none", ["unknown", "datapath/drop"], silent: ["unknown"]) == .unmet)
        // The expected cause may be hidden behind the silence, or among it.
        #expect(diagnosis("datapath/drop", ["unknown"], silent: ["unknown"]) == .inconclusive)
        #expect(diagnosis("datapath/drop", ["unknown", "datapath/drop"], silent: ["unknown"]) == .inconclusive)
        #expect(diagnosis("datapath/drop", ["node/paused", "datapath/drop"], silent: ["unknown"]) == .unmet)
        #expect(diagnosis("datapath/drop", ["node/paused"]) == .unmet)
        #expect(diagnosis("datapath/drop", []) == .unmet)
        #expect(diagnosis("datapath/drop", ["datapath/drop", "unknown"], silent: ["unknown"]) == .met)
        #expect(
            diagnosis("datapath/drop", ["datapath/drop", "unknown"], silent: ["unknown"], mentions: ["node2"])
                == .inconclusive)
        #expect(diagnosis("datapath/drop", ["datapath/drop"], mentions: ["node2"]) == .unmet)
        // Silence of the host does not show that the lab's silence has no cause.
        #expect(diagnosis("unknown", ["unknown"], silent: ["unknown"], busy: false) == .met)
        #expect(diagnosis("unknown", ["unknown"], silent: ["unknown"]) == .inconclusive)
    }

    @Test func `packets that a busy host may have held up are not missing`() {
        let vxlan = WireExpectation(protocol: "udp", port: 8472, direction: .leaves, nodes: ["node1"], present: true)
        let reject = FlowLogExpectation(
            action: "REJECT", protocol: "udp", port: 8472, nodes: ["node1"], present: true)
        func states(_ fixture: ObservationFixture, _ silence: SilenceDoubt) -> [ExpectationResult.State] {
            var observation = fixture.observation
            observation.silence = silence
            return Judge.results([vxlan], observation).map(\.state) + Judge.results([reject], observation).map(\.state)
        }
        let silent = ObservationFixture(outcomes: ["default/web-node1>default/web-node2": .timeout])
        #expect(states(silent, SilenceDoubt()) == [.unmet, .unmet])
        #expect(states(silent, busy) == [.inconclusive, .inconclusive])
        // Every probe was answered, so none was held up.
        #expect(states(ObservationFixture(), busy) == [.unmet, .unmet])
    }

    @Test func `what the last round shows is taken back with the time that the step lacked`() {
        var observation = ObservationFixture().observation
        observation.findings = [
            Finding(id: "datapath/drop", summary: "", evidence: [], fix: "", confidence: 0.9)
        ]
        observation.streams = [
            StreamObservation(
                from: ObservationFixture.endpoints[0], to: ObservationFixture.endpoints[1], protocol: .tcp,
                established: false, sent: 100, answered: 90, longestGapMillis: 40, intervalMillis: 20,
                silentMillis: 10, ended: "reset")
        ]
        let cells = CellSelection(
            from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod), protocols: [.tcp])
        let judge = Judge(
            Expectations([
                StreamExpectation(cells: cells, survive: true, maxGapMillis: nil),
                DiagnosisExpectation(id: "none", mentions: []),
            ]), nodeCount: 2)
        let starved = StepTime(agreedAfter: nil, elapsed: 40, within: 10, starved: 31)
        #expect(judge.final(observation, time: .ample).map(\.state) == [.unmet, .unmet])
        // A connection that was reset did so whatever time the step had.
        #expect(judge.final(observation, time: starved).map(\.state) == [.unmet, .inconclusive])
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
