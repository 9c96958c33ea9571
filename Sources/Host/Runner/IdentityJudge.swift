import Matrix
import Readings
import RunEvents
import Scenario

extension Judge {
    /// One identity for all pods of a selection, whichever node's agent is asked, and an endpoint of its own for each.
    func identityResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.identities.map { expected in
            let title = expected.words
            if let (node, reason) = observation.identitiesMissing.min(by: { $0.key < $1.key }) {
                return result(title, .inconclusive, "\(node): \(reason)")
            }
            let pods = Self.readings(of: expected.pods, observation)
            let nodes = Set(pods.map(\.node)).sorted()
            guard let first = pods.first, pods.count == Self.pods(expected.pods, observation).count else {
                return result(title, .unmet, "agents know \(pods.count) of these pods")
            }
            if let other = pods.first(where: { $0.identity != first.identity }) {
                return result(
                    title, .unmet,
                    "\(first.pod) has \(first.identity) at \(first.node), \(other.pod) \(other.identity) at \(other.node)"
                )
            }
            if let twice = Self.sharedEndpoint(pods) { return result(title, .unmet, twice) }
            if let apart = expected.apartFrom {
                let others = Self.readings(of: apart, observation)
                guard !others.isEmpty else {
                    return result(title, .unmet, "agents know none of the pods that it shall be apart from")
                }
                if let same = others.first(where: { $0.identity == first.identity }) {
                    return result(title, .unmet, "\(same.pod) has the same identity \(first.identity)")
                }
            }
            if let step = expected.replacedSince, let unmet = replacement(of: pods, first.identity, since: step) {
                return result(title, .unmet, unmet)
            }
            return result(
                title, .met,
                "identity \(first.identity) of \(pods.count) pods at \(nodes.joined(separator: ", ")), endpoints "
                    + pods.map { "\($0.endpointID)" }.joined(separator: ", "))
        }
    }

    /// Why these are not the step's pods made anew; nil when they are.
    private func replacement(of pods: [IdentityReading], _ identity: UInt32, since step: String) -> String? {
        let names = Set(pods.map(\.pod))
        let before = (identitiesBefore[step] ?? []).filter { names.contains($0.pod) }
        guard !before.isEmpty else { return "in \(step) none of these pods was seen" }
        if let other = before.first(where: { $0.identity != identity }) {
            return "in \(step) \(other.pod) had identity \(other.identity), not \(identity)"
        }
        // Numbers are each node's own.
        let old = Set(before.map { "\($0.node) \($0.endpointID)" })
        return pods.first { old.contains("\($0.node) \($0.endpointID)") }.map {
            "\($0.pod) still has endpoint \($0.endpointID) of \(step) at \($0.node)"
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

    private static func pods(_ selector: EndpointSelector, _ observation: Observation) -> [Endpoint] {
        observation.endpoints.filter { $0.kind == .pod && selector.matches($0) }
    }

    private static func readings(of selector: EndpointSelector, _ observation: Observation) -> [IdentityReading] {
        let known = Dictionary(observation.identities.map { ($0.pod, $0) }) { first, _ in first }
        return pods(selector, observation).compactMap { known[$0.id] }
    }
}
