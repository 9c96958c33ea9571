import Matrix
import Readings

extension ScenarioReader {
    mutating func expectations(_ value: YAMLValue, step: String) -> Expectations {
        let rules = (value["matrix"]?.items ?? []).map { (rule: rule($0), place: $0.place) }
        if let matrix = value.entries.first(where: { $0.key == "matrix" }) {
            checkCoverage(rules, matrixKey: matrix.keyPlace, step: step)
        }
        return Expectations(
            matrix: rules.map(\.rule), health: (value["health"]?.items ?? []).compactMap { health($0) },
            flowLogs: (value["flowLogs"]?.items ?? []).map { flowLog($0) },
            wire: (value["wire"]?.items ?? []).flatMap { wire($0) },
            streams: (value["streams"]?.items ?? []).map { stream($0) },
            nodes: (value["nodes"]?.items ?? []).map {
                NodeExpectation(
                    nodes: nodeNames($0["nodes"]), state: $0["state"]?.text ?? "", says: $0["says"]?.text,
                    interfaceAddresses: $0["interfaceAddresses"]?.integer,
                    kubeProxy: $0["kubeProxy"]?.text.flatMap(NodeExpectation.KubeProxy.init(rawValue:)))
            },
            drops: (value["drops"]?.items ?? []).map { drop($0) },
            identities: (value["identities"]?.items ?? []).map { identity($0) },
            pods: (value["pods"]?.items ?? []).compactMap { pods($0) },
            diagnosis: value["diagnosis"].flatMap { diagnosis($0) },
            within: value["within"]?.text.flatMap(Units.seconds) ?? 10)
    }

    // MARK: Matrix

    private mutating func rule(_ value: YAMLValue) -> ExpectationRule {
        ExpectationRule(
            from: selector(value["from"]), to: selector(value["to"]), protocols: protocols(value["protocol"]),
            port: value["port"]?.integer.flatMap { UInt16(exactly: $0) },
            where: value["where"]?.text.flatMap(Placement.init(rawValue:)), outcomes: outcomes(value["outcome"]),
            source: value["source"]?.text.flatMap(SourceExpectation.init), requests: requestNames(value["request"]))
    }

    /// Names of requests; nil when none are given.
    private mutating func requestNames(_ value: YAMLValue?) -> [String]? {
        guard let value else { return nil }
        let known = plan.requests.map(\.name)
        for item in value.oneOrMore {
            guard let name = item.text, !known.contains(name) else { continue }
            checker.report(
                item.place, "no request \"\(name)\" in probes.requests",
                expected: known.isEmpty ? nil : "one of " + known.joined(separator: ", "),
                suggestion: NearestName.of(name, among: known))
        }
        return value.texts
    }

    private mutating func outcomes(_ value: YAMLValue?) -> [OutcomePattern] {
        (value?.texts ?? []).compactMap { OutcomePattern($0) }
    }

    /// An endpoint's id, or what must hold of it; empty when it is neither.
    mutating func selector(_ value: YAMLValue?) -> EndpointSelector {
        guard let value else { return EndpointSelector() }
        if value.text != nil { return EndpointSelector(ids: endpointIDs(value)) }
        var labels: [String: String] = [:]
        for entry in value["labels"]?.entries ?? [] { labels[entry.key] = entry.value.text }
        let named = value["nodes"].map { nodeNames($0) } ?? []
        return EndpointSelector(
            kind: value["kind"]?.text.flatMap(EndpointKind.init(rawValue:)), ids: value["ids"].map { endpointIDs($0) },
            nodes: named.isEmpty ? nil : named, namespace: value["namespace"]?.text, labels: labels)
    }

    private mutating func endpointIDs(_ value: YAMLValue) -> [String] {
        let known = WorkloadPlacement.endpoints(
            for: workloads, objects: objects, nodes: nodes, cloud: profile?.cloudEndpoints ?? []
        ).map(\.id)
        for item in value.oneOrMore {
            guard let id = item.text, !nodes.isEmpty, !known.contains(id) else { continue }
            checker.report(
                item.place, "no endpoint \"\(id)\" at this place", expected: Self.list(known),
                suggestion: NearestName.of(id, among: known))
        }
        return value.texts
    }

    private mutating func checkCoverage(
        _ rules: [(rule: ExpectationRule, place: Place)], matrixKey: Place, step: String
    ) {
        guard !nodes.isEmpty, !rules.isEmpty else { return }
        let endpoints = WorkloadPlacement.endpoints(
            for: workloads, objects: objects, nodes: nodes, cloud: profile?.cloudEndpoints ?? [])
        let result = coverage.check(rules.map(\.rule), plan: plan, endpoints: endpoints)
        for gap in result.uncovered {
            checker.report(matrixKey, "no rule covers " + gap, expected: "a rule for every measured cell")
        }
        for index in result.withoutEffect {
            let place = rules[index].place
            problems.append(
                Problem(
                    severity: .warning, file: file, line: place.line, column: place.column,
                    message: "this rule decides no measured cell of step \"\(step)\""))
        }
        if result.gaveUp { checker.report(matrixKey, "too many cells and rules to check in one file") }
    }

    // MARK: Others

    private mutating func health(_ value: YAMLValue) -> HealthExpectation? {
        let from = nodeNames(value["from"])
        guard let reachable = value["reachable"], let text = reachable.text, let share = ReachableShare(text)
        else { return nil }
        let all = share.total ?? max(1, nodes.count)
        let count = share.reachable ?? all - share.missing
        if !nodes.isEmpty, all != nodes.count {
            checker.report(reachable.place, "\(text): the lab has \(nodes.count) nodes, not \(all)")
        } else if !nodes.isEmpty, !(0...all).contains(count) {
            checker.report(reachable.place, "\(text): the lab has \(nodes.count) nodes")
        }
        return HealthExpectation(
            nodes: from, reachable: count, total: share.total,
            allReachable: share.reachable == nil && share.missing == 0)
    }

    private mutating func flowLog(_ value: YAMLValue) -> FlowLogExpectation {
        if let port = value["port"], value["protocol"]?.text == "icmp" {
            checker.report(port.place, "icmp has no port")
        }
        return FlowLogExpectation(
            action: value["action"]?.text ?? "", protocol: value["protocol"]?.text ?? "",
            port: value["port"]?.integer.flatMap { UInt16(exactly: $0) }, nodes: nodeNames(value["nodes"]),
            present: presence(value, value["nodes"]))
    }

    private mutating func wire(_ value: YAMLValue) -> [WireExpectation] {
        WireExpectation.Direction.allCases.compactMap { direction in
            guard let place = value[direction.rawValue] else { return nil }
            return WireExpectation(
                protocol: value["protocol"]?.text ?? "",
                port: value["port"]?.integer.flatMap { UInt16(exactly: $0) } ?? 0,
                side: value["side"]?.text.flatMap(WireExpectation.Side.init(rawValue:)) ?? .destination,
                direction: direction, nodes: nodeNames(place), present: presence(value, place))
        }
    }

    /// `present: false`, or `none` for the nodes; both at once contradict each other.
    private mutating func presence(_ value: YAMLValue, _ nodes: YAMLValue?) -> Bool {
        let none = nodes?.text == "none"
        if none, let present = value["present"] {
            checker.report(present.place, "present and none are not given together")
        }
        return !none && value["present"]?.flag ?? true
    }

    private mutating func stream(_ value: YAMLValue) -> StreamExpectation {
        StreamExpectation(
            from: selector(value["from"]), to: selector(value["to"]),
            where: value["where"]?.text.flatMap(Placement.init(rawValue:)), protocols: protocols(value["protocol"]),
            survive: value["survive"]?.flag ?? true,
            maxGapMillis: value["maxGap"]?.text.flatMap(Units.seconds).map { Int(($0 * 1000).rounded()) })
    }

    private mutating func drop(_ value: YAMLValue) -> DropExpectation {
        DropExpectation(
            from: selector(value["from"]), to: selector(value["to"]),
            where: value["where"]?.text.flatMap(Placement.init(rawValue:)), protocols: protocols(value["protocol"]),
            reason: value["reason"]?.text ?? "", rule: value["rule"]?.text, requests: requestNames(value["request"]))
    }

    private mutating func identity(_ value: YAMLValue) -> IdentityExpectation {
        let since = value["replacedSince"]
        // Only of steps that look at identities is it known what they were.
        if let since, let name = since.text, !identitySteps.contains(name) {
            checker.report(
                since.place, "no earlier step \"\(name)\" that expects identities",
                expected: identitySteps.isEmpty ? nil : Self.list(identitySteps),
                suggestion: NearestName.of(name, among: identitySteps))
        }
        return IdentityExpectation(
            pods: selector(value["pods"]), apartFrom: value["apartFrom"].map { selector($0) },
            replacedSince: since?.text)
    }

    private mutating func diagnosis(_ value: YAMLValue) -> DiagnosisExpectation? {
        guard let id = value["is"], let text = id.text else { return nil }
        if !diagnoses.isEmpty, !["none", "unknown"].contains(text), !diagnoses.contains(text) {
            checker.report(
                id.place, "unknown diagnosis \"\(text)\"", expected: Self.list(diagnoses),
                suggestion: NearestName.of(text, among: diagnoses))
        }
        return DiagnosisExpectation(id: text, mentions: value["mentions"]?.texts ?? [])
    }
}
