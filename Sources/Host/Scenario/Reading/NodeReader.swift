import ScenarioReading

extension ShapeChecker {
    /// Reads labels and taints that are said of all nodes, after their mistakes are reported.
    mutating func traits(_ value: YAMLValue?) -> NodeTraits {
        var traits = NodeTraits()
        for entry in value?["labels"]?.entries ?? [] {
            if let mistake = NodeLabelRule.mistake(entry.key) { report(entry.keyPlace, mistake) }
            traits.labels[entry.key] = entry.value.text
        }
        for item in value?["taints"]?.items ?? [] {
            let taint = NodeTraits.Taint(
                key: item["key"]?.text ?? "", value: item["value"]?.text ?? "", effect: item["effect"]?.text ?? "")
            if traits.taints.contains(where: { $0.key == taint.key && $0.effect == taint.effect }) {
                report(item.place, "taint \(taint.key):\(taint.effect) is given twice")
            }
            traits.taints.append(taint)
        }
        if traits.labels.count > NodeShape.most || traits.taints.count > NodeShape.most, let value {
            report(value.place, "a node has at most \(NodeShape.most) labels and as many taints")
        }
        return traits
    }

    /// Reads labels and taints of some nodes.
    ///
    /// - Parameter nodes: The names of the lab's nodes. If they are not known, names are not checked here.
    mutating func namedTraits(_ value: YAMLValue?, among nodes: [String]) -> [NamedTraits] {
        (value?.items ?? []).map { item in
            NamedTraits(nodes: nodeNames(item["nodes"], among: nodes), traits: traits(item))
        }
    }
}

extension LabProfile {
    /// Why a lab cannot have so many nodes join later; nil if it can.
    var laterMistake: String? {
        guard laterCount >= nodeCount, laterCount > 0 else { return nil }
        return "\(laterCount) of \(nodeCount) nodes join later, so that none is there from the start"
    }

    /// Why a lab's nodes cannot evict pods; nil if they can.
    var evictionMistake: String? {
        guard evictionMemory != nil, !controlPlane.enabled else { return nil }
        return "kubelets evict pods, and the lab has no control plane, hence no kubelets"
    }

    /// Why a lab cannot have its taints; nil if it can.
    var taintMistake: String? {
        guard hasTaints, !controlPlane.enabled else { return nil }
        return "taints are for a scheduler, and the lab has no control plane: it places pods by itself, on every node"
    }
}

extension ScenarioReader {
    /// Holds what a scenario changes of its nodes against the lab.
    mutating func checkMembership(_ nodes: YAMLValue?, _ overrides: LabOverrides, lab: YAMLValue?) {
        guard let profile, let place = lab?.place else { return }
        let absent = checker.absentNodes
        checker.absentNodes = []
        for item in nodes?["named"]?.items ?? [] { _ = checker.nodeNames(item["nodes"], among: labNodes) }
        checker.absentNodes = absent
        if overrides.laterCount != nil || overrides.nodeCount != nil, let mistake = profile.laterMistake {
            checker.report(nodes?["later"]?.place ?? place, mistake, expected: "a number below nodes.count")
        }
        if let mistake = profile.evictionMistake {
            checker.report(
                nodes?["evictionHard"]?.place ?? place, mistake, expected: "a lab with controlPlane.enabled: true")
        }
        if let mistake = profile.taintMistake {
            checker.report(
                (nodes?["taints"] ?? nodes?["named"])?.place ?? place, mistake,
                expected: "a lab with controlPlane.enabled: true")
        }
    }
}

extension LabProfileReader {
    /// What a profile's `nodes` say of who joins later, of labels and of taints.
    mutating func readMembership(_ nodes: YAMLValue?, into profile: inout LabProfile) {
        profile.laterCount = nodes?["later"]?.integer ?? 0
        profile.traits = checker.traits(nodes)
        profile.evictionMemory = nodes?["evictionHard"]?["memory.available"]?.text
        // A count out of range is reported by its shape; it must not make names here.
        let names = LabShape.nodeCounts.contains(profile.nodeCount) ? profile.nodeNames : []
        profile.namedTraits = checker.namedTraits(nodes?["named"], among: names)
        if let mistake = profile.laterMistake, let later = nodes?["later"] {
            checker.report(later.place, mistake, expected: "a number below nodes.count")
        }
    }

    /// Reports a threshold that nobody would keep.
    mutating func checkEviction(_ nodes: YAMLValue?, _ profile: LabProfile) {
        guard let mistake = profile.evictionMistake, let given = nodes?["evictionHard"] else { return }
        checker.report(given.place, mistake, expected: "a lab with controlPlane.enabled: true")
    }

    /// Reports taints that nobody would heed.
    mutating func checkTaints(_ nodes: YAMLValue?, _ profile: LabProfile) {
        guard let mistake = profile.taintMistake, let nodes else { return }
        let named = (nodes["named"]?.items ?? []).compactMap { $0["taints"] }.first
        checker.report(
            (nodes["taints"] ?? named ?? nodes).place, mistake, expected: "a lab with controlPlane.enabled: true")
    }
}
