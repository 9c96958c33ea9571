import Observations
import RunEvents
import ScenarioReading
import Shapes

/// How many nodes the agents of some nodes report as reachable. Each agent counts its own node.
package struct HealthExpectation: Codable, Sendable {
    /// The nodes whose agents report, or all nodes if it is empty.
    package var nodes: [String]
    package var reachable: Int
    /// The total that must be reported, or nil for the lab's number of nodes, which the file calls `N`.
    package var total: Int?
    /// Whether `N` was written for the reachable nodes, that is, all of them.
    package var allReachable: Bool
}

// MARK: Shape

extension HealthExpectation: Expectation {
    package static let field = Field(
        "health",
        .list(
            .object(
                ObjectShape(
                    name: "health expectation",
                    help: "How many nodes an agent reports as reachable, itself included.",
                    fields: [
                        Field("from", .nodes(orNone: false), "Nodes that report; all."),
                        Field(
                            "reachable", .text(share), required: true, "1/3, 1/N, N/N with N = number of nodes."),
                    ])), atLeast: 1), "What the agents report of each other.")

    private static let share = TextRule(
        pattern: "^([0-9]{1,4}|N(-[0-9]{1,4})?)/([0-9]{1,4}|N)$",
        expected: "a share of nodes such as 1/3, 1/N, N-1/N or N/N"
    ) { ReachableShare($0) != nil }
}

// MARK: Reading

extension HealthExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [HealthExpectation] {
        entry.value.items.compactMap { item in
            let nodes = reader.nodeNames(item["from"])
            guard let value = item["reachable"], let text = value.text, let share = ReachableShare(text)
            else { return nil }
            let total = share.total ?? max(1, reader.nodes.count)
            let reachable = share.reachable ?? total - share.missing
            if !reader.nodes.isEmpty, total != reader.nodes.count {
                reader.checker.report(value.place, "\(text): the lab has \(reader.nodes.count) nodes, not \(total)")
            } else if !reader.nodes.isEmpty, !(0...total).contains(reachable) {
                reader.checker.report(value.place, "\(text): the lab has \(reader.nodes.count) nodes")
            }
            return HealthExpectation(
                nodes: nodes, reachable: reachable, total: share.total,
                allReachable: share.reachable == nil && share.missing == 0)
        }
    }
}

/// The text form of a share of the nodes: `1/3`, `1/N`, `N-1/N`, `N/N`.
struct ReachableShare {
    /// It is nil if it is counted down from `N`.
    let reachable: Int?
    /// The number that is subtracted from `N`, such as 1 in `N-1`.
    let missing: Int
    /// It is nil for `N`.
    let total: Int?

    init?(_ text: String) {
        func count(_ text: Substring) -> Int? { Units.isDigits(text) && text.utf8.count <= 4 ? Int(text) : nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        if parts[0] == "N" {
            (reachable, missing) = (nil, 0)
        } else if parts[0].hasPrefix("N-"), let less = count(parts[0].dropFirst(2)) {
            (reachable, missing) = (nil, less)
        } else if let number = count(parts[0]) {
            (reachable, missing) = (number, 0)
        } else {
            return nil
        }
        guard parts[1] == "N" || count(parts[1]) != nil else { return nil }
        total = count(parts[1])
    }
}

// MARK: Words

extension HealthExpectation {
    /// For example `health from every node: 1 of all nodes reachable`.
    package var words: String {
        let count = allReachable ? "all" : "\(reachable)"
        return "health from \(nodes.places()): \(count) of \(total.map(String.init) ?? "all nodes") reachable"
    }
}

// MARK: Judgement

extension HealthExpectation {
    package static func judge(
        _ expected: [HealthExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.flatMap { expected in
            observation.names(of: expected.nodes).map {
                expected.judge($0, observation, nodeCount: observation.nodeCount ?? step.nodeCount)
            }
        }
    }

    private func judge(_ name: String, _ observation: Observation, nodeCount: Int) -> ExpectationResult {
        let total = self.total ?? nodeCount
        let reachable = allReachable ? total : self.reachable
        let title = "health from \(name) is \(reachable)/\(total)"
        guard let record = observation.health.first(where: { $0.node == name }) else {
            return ExpectationResult(
                title, .inconclusive, observation.healthMissing[name] ?? "\(name) was not asked")
        }
        let seen = "\(record.reachable)/\(record.total) reachable"
        let bad = record.peers.filter { !$0.node || !$0.endpoint }.map {
            "\($0.name) node \($0.node ? "1/1" : "0/1") endpoints \($0.endpoint ? "1/1" : "0/1")"
        }
        let detail = bad.isEmpty ? seen : "\(seen): \(bad.joined(separator: ", "))"
        let met = record.reachable == reachable && record.total == total
        // Agents wait for answers to their probes by the clock, as the matrix's probes do. That as many are silent as
        // is expected is no better proof of it than that too many are.
        if record.total == total, record.reachable <= reachable, Self.lacksAnswers(record, observation),
            let doubt = observation.healthSilence.reason
        {
            return ExpectationResult(title, .inconclusive, "\(detail); \(doubt)")
        }
        return ExpectationResult(title, met ? .met : .unmet, detail)
    }

    /// Whether the agent lacks an answer that a busy host may have held up. Nobody waits for an answer from or to a
    /// node that is known to be cut off.
    private static func lacksAnswers(_ record: HealthRecord, _ observation: Observation) -> Bool {
        let cut = observation.cutNodes
        guard !cut.contains(record.node) else { return false }
        let known = record.peers.count { cut.contains($0.name) && (!$0.node || !$0.endpoint) }
        return record.reachable + known < record.total
    }
}
