import Diagnosis
import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

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
                            "reason", .choice(NamedDropReason.all.map(\.name)), required: true,
                            "Drop reason, such as policy-denied-ingress."),
                        Field("rule", .text(.nonEmpty), "Part of the name of the policy or rule that decided."),
                    ])), atLeast: 1), "Why the datapath denied cells.")

    package static let moment = JudgementMoment.lastRound
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
        let covered = (observation.paths?.evidence.probes ?? []).filter { probe in
            guard let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] else { return false }
            return cells.covers(from, to, probe.key.protocol, request: probe.key.request)
        }
        let denied = covered.filter(\.observed.isDenial)
        guard !denied.isEmpty else {
            let unmeasured = covered.count { $0.observed == .notMeasured }
            return unmeasured == 0
                ? ExpectationResult(words, .unmet, "none of these cells was denied")
                : ExpectationResult(
                    words, .inconclusive, "none of these cells was denied, but \(unmeasured) were not measured")
        }
        var unexplained: [String] = []
        // Cells that may have an event that could not be read, or that nobody denied, and the reasons for the doubt.
        var doubtful: [String] = []
        var gaps: [String: String] = [:]
        var host: String?
        for probe in denied {
            let cell = "\(probe.key.from) → \(probe.key.to) \(probe.key.protocol.rawValue)"
            let found = probe.flow == nil ? [] : observation.paths?.events(of: probe).filter(\.isDrop) ?? []
            if found.contains(where: explains) { continue }
            let others = Set(found.map(\.words)).sorted()
            let lack =
                others.isEmpty
                ? probe.flow == nil ? "no flow was sent" : "no drop event" : others.joined(separator: ", ")
            let missing = probe.flow == nil ? [:] : Self.gaps(of: probe, observation, endpoints)
            // If the host kept the nodes from answering, a cell without an answer need not be a denied one.
            let held = probe.observed.lacksAnswers ? observation.silence.reason : nil
            if others.isEmpty, held != nil || !missing.isEmpty {
                doubtful.append("\(cell): \(lack)")
                gaps.merge(missing) { first, _ in first }
                host = host ?? held
            } else {
                unexplained.append("\(cell): \(lack)")
            }
        }
        let lacking = "\(unexplained.count + doubtful.count) of \(denied.count) denied cells lack the event"
        if let first = unexplained.first { return ExpectationResult(words, .unmet, "\(lacking); \(first)") }
        if let first = doubtful.first {
            let unread = gaps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
            let reasons = (unread.isEmpty ? [] : ["not all events could be had: \(unread)"]) + (host.map { [$0] } ?? [])
            return ExpectationResult(
                words, .inconclusive, "\(lacking), but \(reasons.joined(separator: "; ")); \(first)")
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
