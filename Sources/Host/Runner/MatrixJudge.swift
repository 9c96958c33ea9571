import Diagnosis
import Matrix
import Readings
import RunEvents
import Scenario

extension Judge {
    /// Cells with what is expected of each, and whether it is so; with why chains in the round whose evidence was read.
    public func cells(_ observation: Observation) -> [Cell] {
        let readings = Dictionary((observation.paths?.evidence.probes ?? []).map { ($0.key, $0) }) { first, _ in first }
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { a, _ in a }
        var explained = 0
        let doubt = observation.silence.reason
        return observation.measurement.probes.map { probe in
            var expected: [OutcomePattern]?
            var observed = probe.observed
            if let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] {
                let rule = expectations.matrix.deciding(
                    from: from, to: to, protocol: probe.key.protocol, port: probe.key.port, request: probe.key.request)
                expected = rule?.outcomes
                if let source = rule?.source {
                    let senders = observation.measurement.senders
                    observed = probe.outcome(
                        expecting: source.addresses(from: from, to: to, addresses: senders[from.node ?? ""]))
                }
            }
            let verdict: CellVerdict
            if observed == .notMeasured {
                verdict = .notMeasured
            } else if let expected {
                let met = expected.contains { $0.matches(observed) }
                // On a host that kept the nodes from answering, silence where an answer is due is no measurement.
                verdict = met ? .pass : observed == .timeout && doubt != nil ? .notMeasured : .fail
            } else {
                verdict = .unchecked
            }
            var why: [WhyEntry] = []
            if let paths = observation.paths, let reading = readings[probe.key], !observed.isServed || verdict == .fail,
                explained < Self.explainedCells
            {
                explained += 1
                why = paths.why(reading, as: observed)
            }
            return Cell(
                key: probe.key, expected: expected, observed: observed, verdict: verdict,
                latencyMicros: probe.latencyMicros, attempts: max(1, probe.sent), why: why)
        }
    }

    /// Cells that carry a why chain in a report; beyond it the reader has seen enough of them.
    static let explainedCells = 2000

    /// One result a rule: the cells that it decides, that is, that no later rule covers.
    func matrixResults(_ observation: Observation, cells: [Cell]) -> [ExpectationResult] {
        guard !expectations.matrix.isEmpty else { return [] }
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { a, _ in a }
        var decided = [[Cell]](repeating: [], count: expectations.matrix.count)
        var uncovered: [Cell] = []
        for cell in cells {
            guard let from = endpoints[cell.from], let to = endpoints[cell.to],
                let rule = expectations.matrix.lastIndex(where: {
                    $0.covers(from, to, cell.protocol, cell.port, request: cell.request)
                })
            else {
                uncovered.append(cell)
                continue
            }
            decided[rule].append(cell)
        }
        var results = zip(expectations.matrix, decided).enumerated().map { index, pair in
            ruleResult(
                number: index + 1, rule: pair.0, cells: pair.1, missing: observation.measurement.missing,
                control: PositiveControl(observation, cells: cells, answeredBefore: answeredBefore),
                observation: observation)
        }
        if let first = uncovered.first {
            results.append(
                result(
                    "matrix: every cell is covered", .inconclusive,
                    "\(uncovered.count) measured cells are covered by no rule, for example \(first.from) → \(first.to)")
            )
        }
        return results
    }

    private func ruleResult(
        number: Int, rule: ExpectationRule, cells: [Cell], missing: [String: String], control: PositiveControl,
        observation: Observation
    ) -> ExpectationResult {
        let name = "matrix \(number): \(rule.words)"
        guard !cells.isEmpty else { return result(name, .inconclusive, "no measured cell is decided by this rule") }
        let wanted = rule.outcomes.map(\.text).joined(separator: " or ")
        let unmeasuredIsMeant = rule.outcomes.contains { $0.matches(.notMeasured) }
        let wrong = cells.filter { $0.verdict == .fail }
        let unmeasured = unmeasuredIsMeant ? [] : cells.filter { $0.verdict == .notMeasured }
        if let worst = wrong.first {
            let seen = Dictionary(grouping: wrong) { $0.observed.name }.map { "\($0.value.count) \($0.key)" }.sorted()
            return result(
                name, .unmet,
                "\(wrong.count) of \(cells.count) cells are not \(wanted): \(seen.joined(separator: ", ")); for example "
                    + "\(worst.from) → \(worst.to) \(worst.protocol.rawValue) is \(worst.observed)", why: worst.why)
        }
        if !unmeasured.isEmpty {
            let starved = unmeasured.contains { $0.observed == .timeout } ? observation.silence.reason : nil
            let reason = (missing.values.sorted().first ?? starved).map { ": \($0)" } ?? ""
            return result(
                name, .inconclusive, "\(unmeasured.count) of \(cells.count) cells were not measured\(reason)")
        }
        if let dead = cells.first(where: { $0.observed.isSilence && !control.covers($0) }) {
            return result(
                name, .inconclusive,
                "all \(cells.count) cells are \(wanted), but nobody has ever reached \(dead.to) over "
                    + "\(dead.protocol.rawValue): a dead receiver would read the same")
        }
        if let unexplained = observation.unexplained {
            let silent = cells.filter { $0.observed.isSilence && unexplained.contains($0.key) }
            if let first = silent.first {
                let gaps = observation.datapathGaps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                return result(
                    name, .inconclusive,
                    "all \(cells.count) cells are \(wanted), but of \(silent.count) of them no drop, REJECT, counter or "
                        + "state on record says why, for example \(first.from) → \(first.to) \(first.protocol.rawValue)"
                        + (gaps.isEmpty ? "" : "; not all events could be had: \(gaps.joined(separator: ", "))"),
                    why: first.why)
            }
        }
        // A packet that was sent again is said: what answered may not have been the first one.
        let again = cells.count { $0.attempts > observation.measurement.packets && $0.latencyMicros != nil }
        let words = again == 0 ? "" : ", \(again) of them after a packet was sent again"
        return result(name, .met, "all \(cells.count) cells are \(wanted)\(words)")
    }
}

extension ExpectationRule {
    /// `pod → pod cross-node tcp open`
    var words: String {
        var parts = ["\(from.words) → \(to.words)"]
        if let place = `where` { parts.append(place.rawValue) }
        if !protocols.isEmpty { parts.append(protocols.map(\.rawValue).joined(separator: "+")) }
        if let port { parts.append("port \(port)") }
        if let requests { parts.append("request \(requests.joined(separator: "+"))") }
        parts.append("is " + outcomes.map(\.text).joined(separator: "|"))
        if let source { parts.append("from the \(source.text)") }
        return parts.joined(separator: " ")
    }
}

extension EndpointSelector {
    var words: String {
        var parts: [String] = []
        if let kind { parts.append(kind.rawValue) }
        if let ids { parts.append(ids.joined(separator: "+")) }
        if let namespace { parts.append("in \(namespace)") }
        if let nodes { parts.append("on \(nodes.joined(separator: "+"))") }
        parts += labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return parts.isEmpty ? "any" : parts.joined(separator: " ")
    }
}
