import Diagnosis
import Observations
import RunEvents
import ScenarioReading
import Shapes

/// How many pods run, or wait because the node's network plugin refused them.
package struct PodsExpectation: Codable, Sendable, Hashable {
    package enum State: String, Codable, Sendable, CaseIterable {
        case running
        /// Kubernetes calls this `ContainerCreating`.
        case waiting
    }

    package var state: State
    package var count: Int
    /// The nodes of the pods, or all nodes if it is empty.
    package var nodes: [String] = []
    package var labels: [String: String] = [:]
    /// Texts that the reason of each waiting pod must name.
    package var mentions: [String] = []
}

// MARK: Shape

extension PodsExpectation: Expectation {
    package static let field = Field(
        "pods",
        .list(
            .object(
                ObjectShape(
                    name: "pods expectation",
                    help: "How many pods run or wait for their network. Pods that wait are asked for again.",
                    fields: [
                        Field("state", .choice(State.allCases.map(\.rawValue)), required: true, "Their state."),
                        Field("count", .integer(0...10_000), required: true, "How many, of those selected."),
                        Field("nodes", .nodes(orNone: false), "Nodes that they are on; all."),
                        Field("labels", .map(.nonEmpty, .text(.nonEmpty)), "Labels that they have."),
                        Field(
                            "mentions", .oneOrMore(.text(.nonEmpty)),
                            "Texts that each waiting pod's reason must name."),
                    ])), atLeast: 1), "Pods that run, and pods that wait.")

    package var needs: Set<ObservationNeed> { state == .waiting && count > 0 ? [.waitingPods] : [] }
}

// MARK: Reading

extension PodsExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [PodsExpectation] {
        entry.value.items.compactMap { item in
            guard let state = item["state"]?.text.flatMap(State.init(rawValue:)) else { return nil }
            return PodsExpectation(
                state: state, count: item["count"]?.integer ?? 0, nodes: reader.nodeNames(item["nodes"]),
                labels: reader.countedLabels(item["labels"]), mentions: item["mentions"]?.texts ?? [])
        }
    }
}

// MARK: Words

extension PodsExpectation {
    /// For example `pods app=web on node1: 2 waiting, naming t3.small`.
    package var words: String {
        var text = "pods"
        if !labels.isEmpty {
            text += " " + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
        if !nodes.isEmpty { text += " on " + nodes.joined(separator: ", ") }
        text += ": \(count) \(state.rawValue)"
        return mentions.isEmpty ? text : text + ", naming " + mentions.joined(separator: ", ")
    }
}

// MARK: Judgement

extension PodsExpectation {
    /// A step that expects nothing of pods expects all of them to run. The matrix has no row for a pod that waits, so
    /// nobody would notice that it is missing.
    package static func judge(
        _ expected: [PodsExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        let waiting = observation.pods.filter { !$0.isRunning }
        if expected.isEmpty, let first = waiting.first {
            return [
                ExpectationResult(
                    "pods: all running", .unmet,
                    "\(waiting.count) of \(observation.pods.count) pods wait, for example \(first.words)")
            ]
        }
        return expected.map { $0.judge(observation) }
    }

    private func judge(_ observation: Observation) -> ExpectationResult {
        let selected = observation.pods.filter { pod in
            (nodes.isEmpty || nodes.contains(pod.node)) && labels.allSatisfy { pod.labels[$0.key] == $0.value }
        }
        // A pod that was started ends or stands still with its node.
        let powers = Dictionary(observation.nodes.map { ($0.name, $0.power) }) { first, _ in first }
        func power(_ pod: PodReading) -> NodeReading.Power { powers[pod.node] ?? .unknown }
        let started = selected.filter(\.isRunning)
        if state == .running, let doubtful = started.first(where: { power($0) == .unknown }) {
            return ExpectationResult(
                words, .inconclusive, "\(doubtful.id): the hypervisor could not be asked about \(doubtful.node)")
        }
        let found = state == .running ? started.filter { power($0) == .running } : selected.filter { !$0.isRunning }
        guard found.count == count else {
            let gone = started.first { power($0) != .running }.map { pod in
                "; \(pod.id) on \(pod.node), which is \(power(pod).rawValue)"
            }
            let other = selected.first { !$0.isRunning }.map { "; \($0.words)" } ?? gone ?? ""
            return ExpectationResult(
                words, .unmet, "\(found.count) of \(selected.count) are \(state.rawValue), not \(count)\(other)")
        }
        for pod in found {
            let reason = pod.reason ?? ""
            guard let missing = mentions.first(where: { !reason.contains($0) }) else { continue }
            return ExpectationResult(words, .unmet, "\(pod.words), which does not name \"\(missing)\"")
        }
        let example = found.first { !$0.isRunning }.map { ", for example \($0.words)" } ?? ""
        return ExpectationResult(words, .met, "\(found.count) of \(selected.count)\(example)")
    }
}

extension PodReading {
    fileprivate var words: String { "\(id) on \(node): \(reason ?? "running")" }
}
