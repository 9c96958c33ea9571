import Diagnosis
import Observations
import Readings
import RunEvents
import ScenarioReading

/// Denied cells, for each of which the agents must report a drop event with the reason.
package struct DropExpectation: Codable, Sendable {
    package var cells: CellSelection
    /// Name of the drop reason.
    package var reason: String
    /// A part of the name of the policy or rule that decided. It is nil if any will do, or none.
    package var rule: String?
}

// MARK: Shape

extension DropExpectation: Expectation {
    package static let field = Field(
        "drops",
        .list(
            .object(
                ObjectShape(
                    name: "drop expectation",
                    help: "Denied cells, each of which must have a drop event of the agents.",
                    fields: [
                        .from, .to, .placement, .anyProtocol, .request,
                        Field(
                            "reason", .text(.nonEmpty), required: true, "Drop reason, such as policy-denied-ingress."),
                        Field("rule", .text(.nonEmpty), "Part of the name of the policy or rule that decided."),
                    ])), atLeast: 1), "Why the datapath denied cells.")

    package static let moment = JudgementMoment.stepEnd
}

// MARK: Reading

extension DropExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [DropExpectation] {
        entry.value.items.map { item in
            DropExpectation(
                cells: reader.cells(item), reason: item["reason"]?.text ?? "", rule: item["rule"]?.text)
        }
    }
}

// MARK: Words

extension DropExpectation {
    /// For example `drops pod → pod, tcp: policy-denied-ingress by NetworkPolicy default/web`.
    package var words: String { "drops \(cells.words): \(reason)" + (rule.map { " by \($0)" } ?? "") }
}

// MARK: Judgement

extension DropExpectation {
    package static func judge(
        _ expected: [DropExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { first, _ in first }
        return expected.map { $0.judge(observation, endpoints) }
    }

    private func judge(_ observation: Observation, _ endpoints: [String: Endpoint]) -> ExpectationResult {
        let denied = (observation.paths?.evidence.probes ?? []).filter { probe in
            guard let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] else { return false }
            return probe.observed.isDenial
                && cells.covers(from, to, probe.key.protocol, request: probe.key.request)
        }
        guard !denied.isEmpty else { return ExpectationResult(words, .unmet, "none of these cells was denied") }
        var unexplained: [String] = []
        // Cells whose event may be among those that could not be read, and the agents that these come from.
        var doubtful: [String] = []
        var gaps: [String: String] = [:]
        for probe in denied {
            let cell = "\(probe.key.from) → \(probe.key.to) \(probe.key.protocol.rawValue)"
            guard probe.flow != nil else {
                unexplained.append("\(cell): no flow was sent")
                continue
            }
            let found = observation.paths?.events(of: probe).filter(\.isDrop) ?? []
            if found.contains(where: explains) { continue }
            let others = Set(found.map(\.words)).sorted()
            let missing = Self.gaps(of: probe, observation, endpoints)
            if others.isEmpty, !missing.isEmpty {
                doubtful.append("\(cell): no drop event")
                gaps.merge(missing) { first, _ in first }
            } else {
                unexplained.append("\(cell): " + (others.isEmpty ? "no drop event" : others.joined(separator: ", ")))
            }
        }
        let lacking = "\(unexplained.count + doubtful.count) of \(denied.count) denied cells lack the event"
        if let first = unexplained.first { return ExpectationResult(words, .unmet, "\(lacking); \(first)") }
        if let first = doubtful.first {
            let reasons = gaps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            return ExpectationResult(
                words, .inconclusive,
                "\(lacking), but not all events could be had: \(reasons.joined(separator: ", ")); \(first)")
        }
        return ExpectationResult(words, .met, "\(denied.count) denied cells, each with its drop event")
    }

    private func explains(_ event: PacketEvent) -> Bool {
        event.drop?.reason.rawValue == reason && (rule.map { event.rule?.contains($0) ?? false } ?? true)
    }

    /// Returns why the events of agents that may have dropped a probe's packets could not all be read, by node. A
    /// service may have chosen a backend on any node, and packets from or to a host of the cloud may pass through any
    /// node.
    private static func gaps(
        of probe: ProbeReading, _ observation: Observation, _ endpoints: [String: Endpoint]
    ) -> [String: String] {
        let ends = [probe.key.from, probe.key.to].map { endpoints[$0] }
        let nodes = ends.compactMap { $0?.kind == .service ? nil : $0?.node }
        guard nodes.count == ends.count else { return observation.datapathGaps }
        return observation.datapathGaps.filter { nodes.contains($0.key) }
    }
}

extension Outcome {
    /// Whether there was no answer, or another answer than the probe asked for. An answer from another address still is
    /// an answer.
    fileprivate var isDenial: Bool {
        switch self {
        case .wrongSource, .notMeasured: false
        default: !isServed
        }
    }
}

extension PacketEvent {
    fileprivate var words: String { (drop?.reason.rawValue ?? "") + (rule.map { " by \($0)" } ?? "") }
}
