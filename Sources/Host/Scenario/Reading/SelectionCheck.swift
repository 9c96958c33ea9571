import KubeObjects
import Policy
import ScenarioReading

/// The labels of all pods that a file makes at some step, and of their namespaces.
struct PodLabels {
    /// The pods' own labels, by namespace.
    private(set) var pods: [String: Set<[String: String]>] = [:]
    /// The labels that each namespace has at some step.
    private var namespaces: [String: Set<[String: String]>] = [:]

    mutating func add(_ manifest: Manifest) {
        switch manifest {
        case .workload(let workload): pods[workload.namespace, default: []].insert(workload.labels)
        case .object(let object):
            guard let namespace = object.object as? Namespace else { return }
            namespaces[namespace.metadata.name, default: []].insert(namespace.metadata.labels)
        case .served: break
        }
    }

    /// Whether some pod has all these labels.
    func contains(_ labels: [String: String]) -> Bool {
        pods.values.joined().contains { pod in labels.allSatisfy { pod[$0.key] == $0.value } }
    }

    /// The labels of every pod as policies see them.
    func security() -> [SecurityLabels] {
        pods.flatMap { namespace, pods in
            pods.flatMap { labels in
                (namespaces[namespace] ?? []).union([[:]]).map { ofNamespace in
                    SecurityLabels(
                        SecurityLabels.ofPod(namespace: namespace, labels: labels, namespaceLabels: ofNamespace))
                }
            }
        }
    }
}

/// A place in a policy that selects pods.
struct PolicySelection {
    let selector: Selector
    /// What follows if it selects no pod.
    let consequence: String
    let file: String
    let place: Place

    /// The policy's own pods, and the peers of its rules.
    static func all(of unit: PolicyUnit, in value: YAMLValue, file: String) -> [PolicySelection] {
        let own = PolicySelection(
            selector: unit.subject, consequence: "\(unit.policy) protects no pod of this file", file: file,
            place: value["metadata"]?["name"]?.place ?? value.place)
        return [own]
            + unit.rules.flatMap { rule in
                rule.peers.compactMap { peer in
                    guard case .selected(let selector) = peer, selector.selectsOnlyPods else { return nil }
                    return PolicySelection(
                        selector: selector, consequence: "a peer of \(rule.name) is no pod of this file", file: file,
                        place: value.place(ofField: field(of: rule, unit.policy)))
                }
            }
    }

    /// The path of a rule in its policy, from its name: `NetworkPolicy default/p ingress[0]` is `spec.ingress[0]`.
    private static func field(of rule: PolicyRule, _ policy: String) -> String {
        let words = rule.name.dropFirst(policy.count).split(separator: " ")
        return (words.count > 1 ? words : ["spec"] + words).joined(separator: ".")
    }
}

extension ScenarioReader {
    /// Reports what selects pods that no step has. A policy that selects nobody may be meant so, which is a warning. A
    /// count of pods that never were there measures nothing, whatever the count is: that is refused here, before
    /// anything boots, because a run could only say the same after minutes.
    mutating func checkSelections() {
        for counted in counted where !everyPod.contains(counted.labels) {
            let words = counted.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            checker.report(
                counted.place,
                (words.isEmpty ? "this file has no pod" : "no pod of this file has \(words.joined(separator: ", "))")
                    + ", so that counting them measures nothing",
                expected: "labels that a pod has at some step")
        }
        let pods = everyPod.security()
        for selection in selections where !pods.contains(where: selection.selector.selects) {
            checker.conclude(
                Problem(
                    severity: .warning, file: selection.file, line: selection.place.line,
                    column: selection.place.column, message: selection.consequence))
        }
    }
}
