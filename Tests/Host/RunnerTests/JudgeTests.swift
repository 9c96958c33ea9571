import Diagnosis
import Matrix
import Readings
import RunEvents
import Scenario
import Testing

@testable import Runner

@Suite struct MatrixJudgeTests {
    private func results(
        _ rules: [ExpectationRule], _ fixture: ObservationFixture, answeredBefore: Set<Receiver> = Self.everybody
    ) -> [ExpectationResult] {
        let judge = Judge(Expectations(matrix: rules), nodeCount: 2, answeredBefore: answeredBefore)
        let observation = fixture.observation
        return judge.rounds(observation, cells: judge.cells(observation))
    }

    private static let everybody = Set(
        ObservationFixture.endpoints.flatMap { end in
            ProbeProtocol.echoed.map { Receiver(endpoint: end.id, protocol: $0) }
        })

    @Test func `silence without a positive control is no denial`() {
        var fixture = ObservationFixture()
        fixture.outcomes["default/web-node1>default/web-node2"] = .timeout
        let rules = [
            ObservationFixture.rule(nil, nil, "open"), ObservationFixture.rule(.pod, .pod, "timeout", "open"),
        ]
        let dead = results(rules, fixture, answeredBefore: [])
        #expect(dead.map(\.state) == [.met, .inconclusive])
        #expect(dead[1].message.contains("nobody has ever reached default/web-node2"))
        #expect(results(rules, fixture).map(\.state) == [.met, .met])
    }

    @Test func `a node that is off explains silence by itself`() {
        var fixture = ObservationFixture()
        fixture.outcomes["default/web-node1>default/web-node2"] = .timeout
        var observation = fixture.observation
        observation.nodes[1].power = .stopped
        let judge = Judge(Expectations(matrix: [ObservationFixture.rule(nil, nil, "timeout", "open")]), nodeCount: 2)
        let results = judge.rounds(observation, cells: judge.cells(observation))
        #expect(results.map(\.state) == [.met])
    }

    @Test func `silence that nothing on record explains is no denial`() {
        var fixture = ObservationFixture()
        fixture.outcomes["default/web-node1>default/web-node2"] = .timeout
        var observation = fixture.observation
        let judge = Judge(
            Expectations(matrix: [ObservationFixture.rule(nil, nil, "timeout", "open")]), nodeCount: 2,
            answeredBefore: Self.everybody)
        observation.unexplained = []
        #expect(judge.rounds(observation, cells: judge.cells(observation)).map(\.state) == [.met])
        let silent = observation.measurement.probes.map(\.key).first {
            $0.from == "default/web-node1" && $0.to == "default/web-node2"
        }
        observation.unexplained = Set([silent].compactMap { $0 })
        observation.datapathGaps = ["node2": "12 events gave way unread"]
        let results = judge.rounds(observation, cells: judge.cells(observation))
        #expect(results.map(\.state) == [.inconclusive])
        #expect(results[0].message.contains("of 1 of them no drop"))
        #expect(results[0].message.contains("node2: 12 events gave way unread"))
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
        let judge = Judge(Expectations(matrix: [ObservationFixture.rule(nil, nil, "open")]), nodeCount: 2)
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

@Suite struct NodeJudgeTests {
    @Test func `addresses of the cloud's interfaces are held against the agent's own count`() {
        var observation = ObservationFixture().observation
        observation.nodes[0].interfaceAddresses = .init(
            instanceType: "t3.medium", interfaces: 3, inUse: 3, total: 4, limit: nil)
        func states(_ total: Int) -> [ExpectationResult.State] {
            Judge(
                Expectations(nodes: [NodeExpectation(nodes: [], state: "ready", interfaceAddresses: total)]),
                nodeCount: 2
            ).nodeResults(observation).map(\.state)
        }
        #expect(states(4) == [.met, .inconclusive])
        #expect(states(5) == [.unmet, .inconclusive])
    }
}

@Suite struct HealthJudgeTests {
    @Test func `reachable counts are held against each node's own report`() {
        var observation = ObservationFixture().observation
        observation.health = [
            HealthRecord(
                node: "node1", reachable: 1, total: 2,
                peers: [.init(name: "node2", address: "10.0.0.12", node: true, endpoint: false)])
        ]
        observation.healthMissing = ["node2": "node2 is paused"]
        let judge = Judge(
            Expectations(health: [HealthExpectation(nodes: [], reachable: 1, total: nil, allReachable: false)]),
            nodeCount: 2)
        let results = judge.healthResults(observation)
        #expect(results.map(\.state) == [.met, .inconclusive])
        #expect(results[0].message == "1/2 reachable: node2 node 1/1 endpoints 0/1")
        #expect(results[1].message == "node2 is paused")
    }
}

@Suite struct WireJudgeTests {
    private let vxlan = FlowTuple(
        protocol: 17, source: "10.0.0.11", sourcePort: 50000, destination: "10.0.0.12", destinationPort: 8472)

    @Test func `leaving and arriving are told apart`() {
        var observation = ObservationFixture().observation
        observation.wire = [TapPacket(node: "node1", fromNode: true, outer: vxlan, vni: 1, inner: nil)]
        let judge = Judge(
            Expectations(wire: [
                WireExpectation(protocol: "udp", port: 8472, direction: .leaves, nodes: ["node1"], present: true),
                WireExpectation(protocol: "udp", port: 8472, direction: .arrives, nodes: ["node2"], present: false),
                WireExpectation(protocol: "udp", port: 8472, direction: .arrives, nodes: ["node2"], present: true),
                WireExpectation(
                    protocol: "udp", port: 8472, side: .source, direction: .leaves, nodes: ["node1"], present: true),
                WireExpectation(
                    protocol: "udp", port: 50000, side: .source, direction: .leaves, nodes: ["node1"], present: true),
            ]), nodeCount: 2)
        #expect(judge.wireResults(observation).map(\.state) == [.met, .met, .unmet, .unmet, .met])
    }

    @Test func `flow log records are counted by action`() {
        var observation = ObservationFixture().observation
        observation.flowLog = [
            FlowLogReading(node: "node2", interfaceID: "eni-2", accepted: false, flow: vxlan, packets: 4)
        ]
        let judge = Judge(
            Expectations(flowLogs: [
                FlowLogExpectation(action: "REJECT", protocol: "udp", port: 8472, nodes: ["node2"], present: true),
                FlowLogExpectation(action: "ACCEPT", protocol: "udp", port: 8472, nodes: ["node2"], present: true),
            ]), nodeCount: 2)
        #expect(judge.flowLogResults(observation).map(\.state) == [.met, .unmet])
    }
}

@Suite struct DiagnosisJudgeTests {
    private func result(_ expected: DiagnosisExpectation, _ found: [Finding]) -> ExpectationResult.State? {
        var observation = ObservationFixture().observation
        observation.findings = found
        return Judge(Expectations(diagnosis: expected), nodeCount: 2).diagnosisResults(observation).first?.state
    }
    private let blocked = Finding(
        id: "underlay/vxlan-port-blocked", summary: "security group nodes blocks UDP 8472 ingress", evidence: [],
        fix: "",
        confidence: 1)
    private let unknown = Finding(id: "unknown", summary: "", evidence: [], fix: "", confidence: 0.1)

    @Test func `the cause must be found, first, and name what it must`() {
        let expected = DiagnosisExpectation(id: "underlay/vxlan-port-blocked", mentions: ["nodes", "8472"])
        #expect(result(expected, [blocked]) == .met)
        #expect(result(expected, [unknown, blocked]) == .unmet)
        #expect(result(expected, [unknown]) == .unmet)
        #expect(result(DiagnosisExpectation(id: blocked.id, mentions: ["egress"]), [blocked]) == .unmet)
        #expect(result(DiagnosisExpectation(id: "none", mentions: []), []) == .met)
        #expect(result(DiagnosisExpectation(id: "none", mentions: []), [blocked]) == .unmet)
    }
}

@Suite struct StreamJudgeTests {
    private func stream(
        _ proto: ProbeProtocol = .tcp, established: Bool = true, gap: Int = 40, answered: Int = 98, silent: Int? = 10
    ) -> StreamObservation {
        StreamObservation(
            from: ObservationFixture.endpoints[0], to: ObservationFixture.endpoints[1], protocol: proto,
            established: established, sent: 100, answered: answered, longestGapMillis: gap, intervalMillis: 20,
            silentMillis: silent, ended: established ? nil : "reset")
    }
    private func state(
        _ streams: [StreamObservation], _ proto: ProbeProtocol = .tcp, survive: Bool = true, maxGap: Int? = 100
    ) -> ExpectationResult.State? {
        var observation = ObservationFixture().observation
        observation.streams = streams
        let expected = StreamExpectation(
            from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod), where: .crossNode, protocols: [proto],
            survive: survive, maxGapMillis: maxGap)
        return Judge(Expectations(streams: [expected]), nodeCount: 2).streamResults(observation).first?.state
    }

    @Test func `connections must live and gaps stay short`() {
        #expect(state([stream(established: true, gap: 40)]) == .met)
        #expect(state([stream(established: false, gap: 40)]) == .unmet)
        #expect(state([stream(established: true, gap: 400)]) == .unmet)
        #expect(state([]) == .inconclusive)
    }

    @Test(arguments: ProbeProtocol.allCases)
    func `a flow without answers does not survive, whatever its protocol`(_ proto: ProbeProtocol) {
        #expect(state([stream(proto)], proto, maxGap: nil) == .met)
        #expect(state([stream(proto), stream(proto, answered: 0)], proto, maxGap: nil) == .unmet)
        #expect(state([stream(proto, silent: 999)], proto, maxGap: nil) == .met)
        #expect(state([stream(proto, silent: 1000)], proto, maxGap: nil) == .unmet)
        #expect(state([stream(proto, established: false)], proto, survive: false, maxGap: nil) == .met)
    }

    @Test func `a flow that could not be read is never met`() {
        let unread = stream(established: false, gap: 0, answered: 0, silent: nil)
        #expect(state([stream(), unread]) == .unmet)
        #expect(state([stream(), unread], survive: false) == .inconclusive)
        #expect(state([stream(gap: 400), unread], survive: false) == .unmet)
    }

    @Test func `long intervals are given ten of them`() {
        var slow = stream(silent: 4999)
        slow.intervalMillis = 500
        #expect(slow.isLive)
        slow.silentMillis = 5000
        #expect(!slow.isLive)
        #expect(slow.silence == "has been silent for 5000 ms")
    }
}
