import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct MatrixExpectationTests {
    private func results(
        _ rules: [MatrixExpectation], _ fixture: ObservationFixture, answeredBefore: Set<Receiver> = Self.everybody
    ) -> [ExpectationResult] {
        Judge.results(rules, fixture.observation, answeredBefore: answeredBefore)
    }

    private static let everybody = Set(
        ObservationFixture.endpoints.flatMap { end in
            ProbeProtocol.echoed.map { Receiver(endpoint: end.id, protocol: $0) }
        })

    /// Every cell is open except those from one pod to the other, which are silent as expected.
    private static let rules = [
        ObservationFixture.rule(nil, nil, "open"),
        MatrixExpectation(
            from: EndpointSelector(ids: ["default/web-node1"]), to: EndpointSelector(ids: ["default/web-node2"]),
            protocols: [], port: nil, where: nil, outcomes: [OutcomePattern("timeout")].compactMap { $0 }),
    ]

    private static let silent = ObservationFixture(outcomes: ["default/web-node1>default/web-node2": .timeout])

    @Test func `silence without a positive control is no denial`() {
        let dead = results(Self.rules, Self.silent, answeredBefore: [])
        #expect(dead.map(\.state) == [.met, .inconclusive])
        #expect(dead[1].message.contains("nobody has ever reached default/web-node2"))
        #expect(results(Self.rules, Self.silent).map(\.state) == [.met, .met])
    }

    @Test func `a node that is off explains silence by itself`() {
        var observation = Self.silent.observation
        observation.nodes[1].power = .stopped
        #expect(Judge.results(Self.rules, observation).map(\.state) == [.met, .met])
    }

    @Test func `silence that nothing on record explains is no denial`() {
        var observation = Self.silent.observation
        observation.unexplained = []
        #expect(
            Judge.results(Self.rules, observation, answeredBefore: Self.everybody).map(\.state) == [.met, .met])
        let silent = observation.measurement.probes.map(\.key).first {
            $0.from == "default/web-node1" && $0.to == "default/web-node2"
        }
        observation.unexplained = Set([silent].compactMap { $0 })
        observation.datapathGaps = ["node2": "12 events were overwritten unread"]
        let results = Judge.results(Self.rules, observation, answeredBefore: Self.everybody)
        #expect(results.map(\.state) == [.met, .inconclusive])
        #expect(results[1].message.contains("of 1 of them no drop"))
        #expect(results[1].message.contains("node2: 12 events were overwritten unread"))
    }

    @Test(arguments: [
        (["timeout", "open"], ExpectationResult.State.met), (["http", "timeout"], .met),
        (["http(200)", "timeout"], .met),
        (["timeout"], .inconclusive), (["timeout", "refused"], .inconclusive),
        (["http(403)", "timeout"], .inconclusive),
    ])
    func `a rule that takes an answer as well claims no denial`(
        _ outcomes: [String], _ state: ExpectationResult.State
    ) {
        var rules = Self.rules
        rules[1].outcomes = outcomes.compactMap { OutcomePattern($0) }
        #expect(rules[1].outcomes.count == outcomes.count)
        var observation = Self.silent.observation
        // Nobody ever reached the receiver.
        #expect(Judge.results(rules, observation).map(\.state) == [.met, state])
        // No record says what became of the packets.
        observation.unexplained = Set(observation.measurement.probes.map(\.key))
        let results = Judge.results(rules, observation, answeredBefore: Self.everybody)
        #expect(results.map(\.state) == [.met, state])
    }

    @Test func `cells that are not as expected get their why chains first`() {
        var fixture = Self.silent
        fixture.outcomes["node/node1>node/node2"] = .timeout
        var observation = fixture.observation
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { first, _ in first }
        let probes = observation.measurement.probes.map { ProbeReading($0, endpoints: endpoints) }
        observation.paths = PathIndex(Evidence(endpoints: observation.endpoints, probes: probes))
        func explained(_ limit: Int) -> [String] {
            Self.rules.cells(observation, explaining: limit).filter { !$0.why.isEmpty }.map(\.from)
        }
        #expect(explained(3) == ["node/node1", "node/node1", "node/node1"])
        #expect(explained(4) == ["default/web-node1", "node/node1", "node/node1", "node/node1"])
        #expect(explained(100).count == 6)
    }

    @Test func `all as expected is met`() {
        let results = results([ObservationFixture.rule(nil, nil, "open")], ObservationFixture())
        #expect(results.map(\.state) == [.met])
        #expect(Judge.verdict(of: results) == .pass)
    }

    @Test func `one wrong cell is unmet and named`() {
        var fixture = ObservationFixture()
        fixture.outcomes["default/web-node1>default/web-node2"] = .timeout
        let results = results([ObservationFixture.rule(nil, nil, "open")], fixture)
        #expect(results.map(\.state) == [.unmet])
        #expect(results[0].message.contains("3 of 12 cells are not open: 3 timeout"))
        #expect(Judge.verdict(of: results) == .fail)
    }

    @Test func `a later rule decides its cells, an earlier one the rest`() {
        var fixture = ObservationFixture()
        fixture.outcomes["default/web-node1>default/web-node2"] = .timeout
        fixture.outcomes["default/web-node2>default/web-node1"] = .timeout
        let results = results(
            [ObservationFixture.rule(nil, nil, "open"), ObservationFixture.rule(.pod, .pod, "timeout")], fixture)
        #expect(results.map(\.state) == [.met, .met])
        #expect(results.map(\.message) == ["all 6 cells are open", "all 6 cells are timeout"])
    }

    @Test func `a cell that was not measured is never green`() {
        var fixture = ObservationFixture()
        fixture.outcomes["node/node1>node/node2"] = .notMeasured
        let results = results([ObservationFixture.rule(nil, nil, "open")], fixture)
        #expect(results.map(\.state) == [.inconclusive])
        #expect(Judge.verdict(of: results) == .inconclusive)
        let judge = Judge(Expectations([ObservationFixture.rule(nil, nil, "open")]), nodeCount: 2)
        let cells = judge.cells(fixture.observation)
        #expect(cells.filter { $0.from == "node/node1" }.allSatisfy { $0.verdict == .notMeasured })
    }

    @Test func `a cell that no rule covers is said`() {
        let results = results([ObservationFixture.rule(.pod, .pod, "open")], ObservationFixture())
        #expect(results.map(\.state) == [.met, .inconclusive])
        #expect(results[1].message.contains("6 measured cells are covered by no rule"))
    }

    @Test func `a rule that decides nothing is inconclusive, not met`() {
        let results = results(
            [ObservationFixture.rule(.service, nil, "open"), ObservationFixture.rule(nil, nil, "open")],
            ObservationFixture())
        #expect(results[0].state == .inconclusive)
    }
}
