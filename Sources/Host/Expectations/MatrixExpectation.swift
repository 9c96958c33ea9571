import Matrix
import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

/// What is expected of a set of cells. If several rules cover a cell, the last one decides.
package struct MatrixExpectation: Codable, Sendable, Hashable {
    package var from: EndpointSelector
    package var to: EndpointSelector
    /// The protocols, or all of them if it is empty.
    package var protocols: [ProbeProtocol]
    package var port: UInt16?
    package var `where`: Placement?
    /// The outcomes, any of which is right.
    package var outcomes: [OutcomePattern]
    /// The source that the receiver must have seen, or nil for the usual one.
    package var source: SourceExpectation?
    /// The names of the requests whose cells are meant, or nil for any cell.
    package var requests: [String]?

    /// - Parameter request: The name of the request with which the cell is measured, or nil for an echo.
    package func covers(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol, _ port: UInt16, request: String? = nil
    ) -> Bool {
        if let requests, !requests.contains(request ?? "") { return false }
        return self.from.matches(from) && self.to.matches(to)
            && (protocols.isEmpty || protocols.contains(proto))
            && (self.port == nil || self.port == port)
            && (`where`?.matches(from, to) ?? true)
    }
}

extension [MatrixExpectation] {
    /// Returns the last rule that covers a cell, or nil if none does.
    package func deciding(
        from: Endpoint, to: Endpoint, protocol proto: ProbeProtocol, port: UInt16, request: String? = nil
    ) -> MatrixExpectation? {
        last { $0.covers(from, to, proto, port, request: request) }
    }
}

// MARK: Shape

extension MatrixExpectation: Expectation {
    package static let field = Field(
        "matrix", .list(.object(rule), atLeast: 1), "Rules over all measured cells; later over earlier.")

    private static let rule = ObjectShape(
        name: "matrix rule", help: "What is expected of a set of cells.",
        fields: [
            .from, .to, .placement, .anyProtocol,
            Field("port", .integer(1...65535), "Destination port; any when left out."), .request,
            Field("outcome", .oneOrMore(.text(.outcome)), required: true, "Outcomes, any of which is right."),
            Field(
                "source", .text(sourceText), "The source that the receiver must have seen; else it is wrong-source."),
        ])

    private static let sourceText = TextRule(
        pattern: "^(pod|node|[0-9]{1,3}(\\.[0-9]{1,3}){3})$", expected: "pod, node or an address such as 10.0.0.11",
        names: ["pod", "node"]
    ) { SourceExpectation($0) != nil }
}

extension TextRule {
    package static let outcome = TextRule(
        pattern: "^(open|refused|reset|timeout|not-measured|dns-failure(\\(([0-9]|1[0-5])\\))?"
            + "|unreachable(\\((0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\\))?|loss(\\([1-9][0-9]?\\))?"
            + "|http(\\([1-5][0-9]{2}\\))?|wrong-source(\\(.+\\))?)$",
        expected: "an outcome such as open, timeout, unreachable(1) or loss(20)", names: Outcome.names
    ) { OutcomePattern($0) != nil }
}

// MARK: Reading

extension MatrixExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [MatrixExpectation] {
        let rules = entry.value.items.map { item in
            let cells = reader.cells(item)
            return MatrixExpectation(
                from: cells.from, to: cells.to, protocols: cells.protocols, port: item["port"]?.port,
                where: cells.where, outcomes: (item["outcome"]?.texts ?? []).compactMap { OutcomePattern($0) },
                source: item["source"]?.text.flatMap(SourceExpectation.init), requests: cells.requests)
        }
        checkCoverage(rules, entry, &reader)
        return rules
    }

    /// Every measured cell must have a rule, and every rule should decide a cell.
    private static func checkCoverage(
        _ rules: [MatrixExpectation], _ entry: YAMLValue.Entry, _ reader: inout ExpectationReader
    ) {
        guard !reader.nodes.isEmpty, !rules.isEmpty else { return }
        let result = reader.coverage.check(rules, plan: reader.plan, endpoints: reader.endpoints())
        for gap in result.uncovered {
            reader.checker.conclude(
                .error, entry.keyPlace, "no rule covers " + gap, expected: "a rule for every measured cell")
        }
        for index in result.withoutEffect {
            reader.checker.conclude(
                .warning, entry.value.items[index].place,
                "this rule decides no measured cell of step \"\(reader.step)\"")
        }
        if result.gaveUp { reader.checker.report(entry.keyPlace, "too many cells and rules to check in one file") }
    }
}

// MARK: Words

extension MatrixExpectation {
    /// For example `pod → pod, cross-node: timeout`.
    package var words: String {
        var parts = ["\(from.words) → \(to.words)"]
        if let placement = self.where { parts.append(placement.rawValue) }
        if !protocols.isEmpty { parts.append(protocols.map(\.rawValue).joined(separator: " and ")) }
        if let port { parts.append("port \(port)") }
        if let requests { parts.append("request " + requests.joined(separator: " or ")) }
        return parts.joined(separator: ", ") + ": " + wanted
    }

    /// For example `timeout or unreachable`.
    private var wanted: String { outcomes.map(\.text).joined(separator: " or ") }

    /// For example `pod → pod cross-node tcp is open`. It is part of a result's name.
    private var title: String {
        var parts = ["\(from.title) → \(to.title)"]
        if let place = `where` { parts.append(place.rawValue) }
        if !protocols.isEmpty { parts.append(protocols.map(\.rawValue).joined(separator: "+")) }
        if let port { parts.append("port \(port)") }
        if let requests { parts.append("request \(requests.joined(separator: "+"))") }
        parts.append("is " + outcomes.map(\.text).joined(separator: "|"))
        if let source { parts.append("from the \(source.text)") }
        return parts.joined(separator: " ")
    }
}

// MARK: Judgement

extension MatrixExpectation {
    /// Returns one result for each rule, about the cells that it decides, and one about cells that no rule covers, if
    /// there are any.
    package static func judge(
        _ expected: [MatrixExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        guard !expected.isEmpty else { return [] }
        let (decided, uncovered) = expected.decide(step.cells, observation)
        let control = PositiveControl(observation, cells: step.cells, answeredBefore: step.answeredBefore)
        var results = zip(expected, decided).enumerated().map { index, pair in
            pair.0.judge(pair.0.name(at: index), pair.1, control, observation)
        }
        if let first = uncovered.first {
            results.append(
                ExpectationResult(
                    "matrix: every cell is covered", .inconclusive,
                    "\(uncovered.count) measured cells are covered by no rule, for example "
                        + "\(first.from) → \(first.to)"))
        }
        return results
    }

    /// The name of the rule's result.
    fileprivate func name(at index: Int) -> String { "matrix \(index + 1): \(title)" }

    private func judge(
        _ name: String, _ cells: [Cell], _ control: PositiveControl, _ observation: Observation
    ) -> ExpectationResult {
        guard !cells.isEmpty else {
            return ExpectationResult(name, .inconclusive, "no measured cell is decided by this rule")
        }
        let wrong = cells.filter { $0.verdict == .fail }
        if let worst = wrong.first {
            let seen = Dictionary(grouping: wrong) { $0.observed.name }.map { "\($0.value.count) \($0.key)" }.sorted()
            return ExpectationResult(
                name, .unmet,
                "\(wrong.count) of \(cells.count) cells are not \(wanted): \(seen.joined(separator: ", ")); "
                    + "for example \(worst.from) → \(worst.to) \(worst.protocol.rawValue) is \(worst.observed)",
                why: worst.why)
        }
        let unmeasuredIsMeant = outcomes.contains { $0.matches(.notMeasured) }
        let unmeasured = unmeasuredIsMeant ? [] : cells.filter { $0.verdict == .notMeasured }
        if !unmeasured.isEmpty {
            let starved = unmeasured.contains { $0.observed.lacksAnswers } ? observation.silence.reason : nil
            let reason = (starved ?? observation.unmeasured).map { ": \($0)" } ?? ""
            return ExpectationResult(
                name, .inconclusive, "\(unmeasured.count) of \(cells.count) cells were not measured\(reason)")
        }
        if claimsDenial, let doubt = doubt(about: cells, control, observation) {
            return ExpectationResult(
                name, .inconclusive, "all \(cells.count) cells are \(wanted), but \(doubt.words)", why: doubt.why)
        }
        // An answer to a packet that was sent again does not show that the first one arrived, so the result mentions
        // it.
        let again = cells.count { $0.attempts > observation.measurement.packets && $0.latencyMicros != nil }
        let words = again == 0 ? "" : ", \(again) of them after a packet was sent again"
        return ExpectationResult(name, .met, "all \(cells.count) cells are \(wanted)\(words)")
    }

    /// Whether the rule says that its cells are denied. A rule that accepts an answer as well as silence does not say
    /// so, and silence needs no proof for it.
    private var claimsDenial: Bool {
        !outcomes.contains { Outcome($0.text)?.isServed ?? $0.matches(.http(200)) }
    }

    /// Why the silence of cells, although it is expected, does not show a denial: nobody ever reached the receiver, or
    /// no record says what became of the packets. It is nil if there is no doubt.
    private func doubt(
        about cells: [Cell], _ control: PositiveControl, _ observation: Observation
    ) -> (words: String, why: [WhyEntry])? {
        if let dead = cells.first(where: { $0.observed.isSilence && !control.covers($0) }) {
            return (
                "nobody has ever reached \(dead.to) over \(dead.protocol.rawValue): "
                    + "a dead receiver would read the same", []
            )
        }
        guard let unexplained = observation.unexplained else { return nil }
        let silent = cells.filter { $0.observed.isSilence && unexplained.contains($0.key) }
        guard let first = silent.first else { return nil }
        let gaps = observation.datapathGaps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return (
            "of \(silent.count) of them no drop, REJECT, counter or state on record says why, for example "
                + "\(first.from) → \(first.to) \(first.protocol.rawValue)"
                + (gaps.isEmpty ? "" : "; not all events could be had: \(gaps.joined(separator: ", "))"), first.why
        )
    }
}

extension [MatrixExpectation] {
    /// Returns the cells that each rule decides, and those that no rule covers.
    fileprivate func decide(_ cells: [Cell], _ observation: Observation) -> (decided: [[Cell]], uncovered: [Cell]) {
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { a, _ in a }
        var decided = [[Cell]](repeating: [], count: count)
        var uncovered: [Cell] = []
        for cell in cells {
            guard let from = endpoints[cell.from], let to = endpoints[cell.to],
                let rule = lastIndex(where: {
                    $0.covers(from, to, cell.protocol, cell.port, request: cell.request)
                })
            else {
                uncovered.append(cell)
                continue
            }
            decided[rule].append(cell)
        }
        return (decided, uncovered)
    }

    /// The names of the results of rules against which a cell was served. Where a step changes nothing, such an answer
    /// is a measurement, however little time the nodes had.
    func certain(_ cells: [Cell], _ observation: Observation) -> Set<String> {
        let names = zip(self, decide(cells, observation).decided).enumerated().compactMap { index, pair in
            pair.1.contains { $0.verdict == .fail && $0.observed.reachedReceiver } ? pair.0.name(at: index) : nil
        }
        return Set(names)
    }
}
