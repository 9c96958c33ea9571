import Diagnosis
import Matrix
import Observations
import Readings

extension [MatrixExpectation] {
    /// How many cells of a report have a why chain. More of them would tell a reader nothing new.
    static let explainedCells = 2000

    /// Returns the measured cells, each with what is expected of it and its verdict.
    ///
    /// If the round's evidence was read, cells get their why chains from it: first those that are not as expected, then
    /// others that were not answered.
    ///
    /// - Parameter limit: How many cells get one.
    func cells(_ observation: Observation, explaining limit: Int = explainedCells) -> [Cell] {
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { a, _ in a }
        let probes = observation.measurement.probes
        var cells = probes.map { cell($0, endpoints, observation) }
        guard let paths = observation.paths else { return cells }
        let readings = Dictionary(paths.evidence.probes.map { ($0.key, $0) }) { first, _ in first }
        let known = cells.indices.filter { readings[probes[$0].key] != nil }
        let failing = known.filter { cells[$0].verdict == .fail }
        let others = known.filter { cells[$0].verdict != .fail && !cells[$0].observed.isServed }
        for index in (failing + others).prefix(limit) {
            cells[index].why = readings[probes[index].key].map { paths.why($0, as: cells[index].observed) } ?? []
        }
        return cells
    }

    private func cell(
        _ probe: ProbeMeasurement, _ endpoints: [String: Endpoint], _ observation: Observation
    ) -> Cell {
        var expected: [OutcomePattern]?
        var observed = probe.observed
        if let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] {
            let rule = deciding(
                from: from, to: to, protocol: probe.key.protocol, port: probe.key.port, request: probe.key.request)
            expected = rule?.outcomes
            if let source = rule?.source {
                let senders = observation.measurement.senders
                observed = probe.outcome(
                    expecting: source.addresses(from: from, to: to, addresses: senders[from.node ?? ""]))
                // A server that knows nothing of probes does not tell whom it saw.
                if to.kind == .controlPlane, probe.sources.isEmpty, observed.isServed { observed = .notMeasured }
            }
        }
        return Cell(
            key: probe.key, expected: expected, observed: observed,
            verdict: Self.verdict(observed, expected, silenceIsDoubtful: observation.silence.reason != nil),
            latencyMicros: probe.latencyMicros, attempts: Swift.max(1, probe.sent), why: [])
    }

    private static func verdict(
        _ observed: Outcome, _ expected: [OutcomePattern]?, silenceIsDoubtful: Bool
    ) -> CellVerdict {
        if observed == .notMeasured { return .notMeasured }
        guard let expected else { return .unchecked }
        if expected.contains(where: { $0.matches(observed) }) { return .pass }
        // If the host kept the nodes from answering, silence is no measurement where an answer is expected.
        return observed.lacksAnswers && silenceIsDoubtful ? .notMeasured : .fail
    }
}
