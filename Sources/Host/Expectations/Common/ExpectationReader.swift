import Matrix
import Readings
import ScenarioReading

/// Reads the expectations of one step. It knows the lab and the timeline, to which names in an expectation may refer.
package struct ExpectationReader {
    /// Collects the mistakes.
    package var checker: ShapeChecker
    /// Bounds the work of checking matrix rules over the whole file.
    package var coverage: CoverageCheck
    /// The step's name.
    package let step: String
    /// The names of the lab's nodes. If the lab is not known, it is empty, and names of nodes are not checked.
    package let nodes: [String]
    /// The pairs and requests that are measured.
    package let plan: ProbePlanSpec
    /// The ids of the root causes that exist. If it is empty, any id is accepted.
    package let diagnoses: [String]
    /// The names of the earlier steps that have expectations of a kind, by the kind's key.
    package let earlierSteps: [String: [String]]
    /// Whether the lab has a control plane, or is not known.
    package let hasControlPlane: Bool
    /// Whether all pods are among the endpoints; a custom resource may make others.
    package let knowsPods: Bool
    /// What the step's expectations count pods by.
    package private(set) var countedPods: [CountedPods] = []
    /// Returns the endpoints at this step, without the addresses that they get when they run.
    package let endpoints: () -> [Endpoint]

    package init(
        checker: ShapeChecker, coverage: CoverageCheck, step: String, nodes: [String], plan: ProbePlanSpec,
        diagnoses: [String], earlierSteps: [String: [String]], hasControlPlane: Bool = true,
        knowsPods: Bool = true, endpoints: @escaping () -> [Endpoint]
    ) {
        self.checker = checker
        self.coverage = coverage
        self.step = step
        self.nodes = nodes
        self.plan = plan
        self.diagnoses = diagnoses
        self.earlierSteps = earlierSteps
        self.hasControlPlane = hasControlPlane
        self.knowsPods = knowsPods
        self.endpoints = endpoints
    }

    package mutating func selector(_ value: YAMLValue?) -> EndpointSelector {
        checker.selector(value, nodes: nodes, endpoints: endpoints, knowsPods: knowsPods)
    }

    /// Reports expectations that only an API server could meet, if the lab has none.
    package mutating func needControlPlane(_ entry: YAMLValue.Entry) {
        guard !hasControlPlane else { return }
        checker.report(
            entry.keyPlace, "\(entry.key) are read from an API server, which the lab does not have",
            expected: "a lab with controlPlane.enabled: true")
    }

    package mutating func nodeNames(_ value: YAMLValue?) -> [String] { checker.nodeNames(value, among: nodes) }

    /// Labels by which an expectation counts pods. If no pod ever has them, the count measures nothing.
    package struct CountedPods {
        package let labels: [String: String]
        package let place: Place
    }

    /// Reads labels by which pods are counted.
    package mutating func countedLabels(_ value: YAMLValue?) -> [String: String] {
        guard let value else { return [:] }
        var labels: [String: String] = [:]
        for entry in value.entries { labels[entry.key] = entry.value.text }
        countedPods.append(CountedPods(labels: labels, place: value.place))
        return labels
    }

    /// Reads the cells that `from`, `to`, `where`, `protocol` and `request` of an entry select.
    package mutating func cells(_ value: YAMLValue) -> CellSelection {
        CellSelection(
            from: selector(value["from"]), to: selector(value["to"]),
            where: value["where"]?.text.flatMap(Placement.init(rawValue:)),
            protocols: ProbeProtocol.list(value["protocol"]), requests: requestNames(value["request"]))
    }

    /// Reads names of requests, all of which must be in the probe plan. The result is nil if none are given.
    private mutating func requestNames(_ value: YAMLValue?) -> [String]? {
        guard let value else { return nil }
        let known = plan.requests.map(\.name)
        for item in value.oneOrMore {
            guard let name = item.text, !known.contains(name) else { continue }
            checker.report(
                item.place, "no request \"\(name)\" in probes.requests",
                expected: known.isEmpty ? "a request of probes.requests, which has none" : known.oneOf,
                suggestion: NearestName.of(name, among: known))
        }
        return value.texts
    }

    /// Whether something must be there. It must not with `present: false`, or with `none` in place of nodes. The two
    /// contradict each other.
    package mutating func presence(_ value: YAMLValue, _ nodes: YAMLValue?) -> Bool {
        let none = nodes?.text == "none"
        if none, let present = value["present"] {
            checker.report(present.place, "present and none are not given together")
        }
        return !none && value["present"]?.flag ?? true
    }
}

extension YAMLValue {
    /// The value as a port number.
    package var port: UInt16? { integer.flatMap { UInt16(exactly: $0) } }
}

extension ProbeProtocol {
    /// Reads the protocols that a value names, and returns them in their usual order.
    package static func list(_ value: YAMLValue?) -> [ProbeProtocol] {
        let wanted = Set((value?.texts ?? []).compactMap(ProbeProtocol.init(rawValue:)))
        return allCases.filter(wanted.contains)
    }
}
