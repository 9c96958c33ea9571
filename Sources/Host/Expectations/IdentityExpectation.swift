import Matrix
import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

/// Pods that share one identity according to the agents of all of their nodes, and whose endpoint ids all differ.
package struct IdentityExpectation: Codable, Sendable {
    package var pods: EndpointSelector
    /// Pods that must have other identities.
    package var apartFrom: EndpointSelector?
    /// The name of an earlier step. The identity must be the same as then, and no endpoint of that step may be left.
    package var replacedSince: String?
}

// MARK: Shape

extension IdentityExpectation: Expectation {
    package static let field = Field(
        "identities",
        .list(
            .object(
                ObjectShape(
                    name: "identity expectation",
                    help: "Pods that share one identity on all of their nodes; their endpoint ids are all different.",
                    fields: [
                        Field("pods", .selector, required: true, "Pods that share one identity."),
                        Field("apartFrom", .selector, "Pods whose identities must be others."),
                        Field(
                            "replacedSince", .text(.dnsLabel),
                            "An earlier step: the identity is the same as then, and every endpoint is another."),
                    ])), atLeast: 1), "Which pods share an identity.")

    package var needs: Set<ObservationNeed> { [.identities] }
}

// MARK: Reading

extension IdentityExpectation {
    package static func read(
        _ entry: YAMLValue.Entry, by reader: inout ExpectationReader
    ) -> [IdentityExpectation] {
        entry.value.items.map { item in
            let since = item["replacedSince"]
            // What the identities were is known only for steps that expect something of identities.
            let steps = reader.earlierSteps[key] ?? []
            if let since, let name = since.text, !steps.contains(name) {
                reader.checker.report(
                    since.place, "no earlier step \"\(name)\" that expects identities",
                    expected: steps.isEmpty ? nil : steps.oneOf, suggestion: NearestName.of(name, among: steps))
            }
            return IdentityExpectation(
                pods: reader.selector(item["pods"]), apartFrom: item["apartFrom"].map { reader.selector($0) },
                replacedSince: since?.text)
        }
    }
}

// MARK: Words

extension IdentityExpectation {
    /// For example `identity of pod with app=web: one, apart from pod with app=api, with other endpoints than in
    /// baseline`.
    package var words: String {
        var text = "identity of \(pods.words): one"
        if let apartFrom { text += ", apart from \(apartFrom.words)" }
        if let replacedSince { text += ", with other endpoints than in \(replacedSince)" }
        return text
    }
}

// MARK: Judgement

extension IdentityExpectation {
    package static func judge(
        _ expected: [IdentityExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.map { $0.judge(observation, before: step.identitiesBefore) }
    }

    private func judge(_ observation: Observation, before: [String: [IdentityReading]]) -> ExpectationResult {
        if let (node, reason) = observation.identitiesMissing.min(by: { $0.key < $1.key }) {
            return ExpectationResult(words, .inconclusive, "\(node): \(reason)")
        }
        let pods = Self.readings(of: self.pods, observation)
        guard let first = pods.first, pods.count == Self.pods(self.pods, observation).count else {
            return ExpectationResult(words, .unmet, "agents know \(pods.count) of these pods")
        }
        let mistake =
            Self.otherIdentity(among: pods, than: first) ?? Self.sharedEndpoint(pods)
            ?? sameIdentity(as: first, observation)
            ?? replacedSince.flatMap { Self.notReplaced(pods, first.identity, since: $0, before[$0] ?? []) }
        if let mistake { return ExpectationResult(words, .unmet, mistake) }
        let nodes = Set(pods.map(\.node)).sorted()
        return ExpectationResult(
            words, .met,
            "identity \(first.identity) of \(pods.count) pods at \(nodes.joined(separator: ", ")), endpoints "
                + pods.map { "\($0.endpointID)" }.joined(separator: ", "))
    }

    private static func otherIdentity(among pods: [IdentityReading], than first: IdentityReading) -> String? {
        pods.first { $0.identity != first.identity }.map {
            "\(first.pod) has \(first.identity) at \(first.node), \($0.pod) \($0.identity) at \($0.node)"
        }
    }

    private static func sharedEndpoint(_ pods: [IdentityReading]) -> String? {
        var seen: [String: String] = [:]
        for pod in pods {
            if let other = seen.updateValue(pod.pod, forKey: "\(pod.node) \(pod.endpointID)") {
                return "\(other) and \(pod.pod) share endpoint \(pod.endpointID) at \(pod.node)"
            }
        }
        return nil
    }

    private func sameIdentity(as first: IdentityReading, _ observation: Observation) -> String? {
        guard let apartFrom else { return nil }
        let others = Self.readings(of: apartFrom, observation)
        let wanted = Self.pods(apartFrom, observation).count
        guard !others.isEmpty, others.count == wanted else {
            let known = others.isEmpty ? "none" : "\(others.count) of \(wanted)"
            return "the agents know \(known) of the pods that must have another identity"
        }
        return others.first { $0.identity == first.identity }.map {
            "\($0.pod) has the same identity \(first.identity)"
        }
    }

    /// Returns why pods are not new pods with the identity of an earlier step, or nil if they are.
    private static func notReplaced(
        _ pods: [IdentityReading], _ identity: UInt32, since step: String, _ all: [IdentityReading]
    ) -> String? {
        let names = Set(pods.map(\.pod))
        let before = all.filter { names.contains($0.pod) }
        guard !before.isEmpty else { return "in \(step) none of these pods was seen" }
        if let other = before.first(where: { $0.identity != identity }) {
            return "in \(step) \(other.pod) had identity \(other.identity), not \(identity)"
        }
        // Every node numbers its own endpoints.
        let old = Set(before.map { "\($0.node) \($0.endpointID)" })
        return pods.first { old.contains("\($0.node) \($0.endpointID)") }.map {
            "\($0.pod) still has endpoint \($0.endpointID) of \(step) at \($0.node)"
        }
    }

    private static func pods(_ selector: EndpointSelector, _ observation: Observation) -> [Endpoint] {
        observation.endpoints.filter { $0.kind == .pod && selector.matches($0) }
    }

    private static func readings(of selector: EndpointSelector, _ observation: Observation) -> [IdentityReading] {
        let known = Dictionary(observation.identities.map { ($0.pod, $0) }) { first, _ in first }
        return pods(selector, observation).compactMap { known[$0.id] }
    }
}
