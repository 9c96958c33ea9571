import Diagnosis
import protocol Expectations.Expectation
import Matrix
import Observations
import Readings
import RunEvents

@testable import Expectations

/// Two nodes with a pod each. Every cell is open unless a test says otherwise.
struct ObservationFixture {
    var outcomes: [String: Outcome] = [:]

    static let endpoints =
        ["node1", "node2"].map { (node: String) in
            Endpoint(
                id: "default/web-\(node)", kind: .pod, node: node, namespace: "default", address: "192.168.1.1",
                port: 8080,
                labels: ["app": "web"])
        }
        + ["node1", "node2"].map { (node: String) in
            Endpoint(
                id: "node/\(node)", kind: .node, node: node, namespace: nil, address: "10.0.0.11", port: 30080,
                labels: [:])
        }

    /// `outcomes` are given by `from>to` and hold for all protocols.
    var observation: Observation {
        var probes: [ProbeMeasurement] = []
        for from in Self.endpoints {
            for to in Self.endpoints where from.id != to.id && from.kind == to.kind {
                for proto in ProbeProtocol.echoed {
                    let observed = outcomes["\(from.id)>\(to.id)"] ?? .open
                    probes.append(
                        ProbeMeasurement(
                            key: CellKey(from: from.id, to: to.id, protocol: proto, port: proto == .icmp ? 0 : to.port),
                            observed: observed, latencyMicros: observed == .open ? 300 : nil, localPort: 40000,
                            requestArrived: observed == .open, sent: observed == .notMeasured ? 0 : 1,
                            answered: observed == .open ? 1 : 0))
                }
            }
        }
        var observation = Observation(
            endpoints: Self.endpoints,
            measurement: Measurement(
                endpoints: Self.endpoints, probes: probes, seconds: 0.1, longestRoundTripMicros: 300, packets: 1,
                missing: [:]))
        observation.nodes = ["node1", "node2"].map { (node: String) in
            var reading = NodeReading(
                name: node, address: "10.0.0.1", podCIDR: "192.168.1.0/24", tunnelPort: 8472, power: .running,
                answers: true, carrier: true, agentRunning: true, impairments: [])
            reading.hasConflist = true
            return reading
        }
        return observation
    }

    static func rule(_ from: EndpointKind?, _ to: EndpointKind?, _ outcomes: String...) -> MatrixExpectation {
        MatrixExpectation(
            from: EndpointSelector(kind: from), to: EndpointSelector(kind: to), protocols: [], port: nil, where: nil,
            outcomes: outcomes.compactMap { OutcomePattern($0) })
    }
}

extension Judge {
    /// Returns the results of one kind for an observation whose cells are judged as well.
    static func results<Kind: Expectation>(
        _ expected: [Kind], _ observation: Observation, answeredBefore: Set<Receiver> = [],
        identitiesBefore: [String: [IdentityReading]] = [:]
    ) -> [ExpectationResult] {
        let judge = Judge(
            Expectations(expected), nodeCount: 2, answeredBefore: answeredBefore, identitiesBefore: identitiesBefore)
        return Kind.moment == .everyRound
            ? judge.rounds(observation, cells: judge.cells(observation)) : judge.final(observation, time: .ample)
    }
}

extension StepTime {
    /// The host left the nodes all the time that the step gives.
    static let ample = StepTime(agreedAfter: 0, elapsed: 1, within: 10, starved: 0)
}
