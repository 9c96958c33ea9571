import Readings
import ScenarioReading

/// Reads who joins the lab at a step and who leaves it, and keeps the nodes that are there at the step that is read.
extension ScenarioReader {
    mutating func join(_ value: YAMLValue) -> Action? {
        let absent = labNodes.filter { !nodes.contains($0) }
        guard !isAll(value) else {
            if absent.isEmpty, !labNodes.isEmpty {
                checker.report(value.place, "every node of the lab is there already", expected: later)
            }
            change(to: labNodes)
            return .join(absent)
        }
        var joining: [String] = []
        for item in value.oneOrMore {
            guard let name = item.text, isKnown(name, item) else { continue }
            if nodes.contains(name) || joining.contains(name) {
                let when = joined[name].map { "since line \($0)" } ?? "from the start"
                checker.report(
                    item.place, "\(name) is there \(when), and joins no second time",
                    expected: absent.isEmpty ? later : absent.oneOf)
            } else {
                joining.append(name)
                joined[name] = item.place.line
            }
        }
        change(to: labNodes.filter { nodes.contains($0) || joining.contains($0) })
        return joining.isEmpty ? nil : .join(joining)
    }

    mutating func leave(_ value: YAMLValue) -> Action? {
        guard !isAll(value) else {
            checker.report(value.place, "when all nodes leave, none is left", expected: nodes.oneOf)
            return nil
        }
        var leaving: [String] = []
        for item in value.oneOrMore {
            guard let name = item.text, isKnown(name, item) else { continue }
            if !nodes.contains(name) || leaving.contains(name) {
                checker.report(
                    item.place, "\(name) is not there, and cannot leave", expected: nodes.isEmpty ? nil : nodes.oneOf)
            } else if let conflict = claims.conflict(of: [Claim(.power, of: name)]) {
                checker.report(item.place, "\(name) cannot leave: \(conflict)")
            } else {
                leaving.append(name)
            }
        }
        let left = nodes.filter { !leaving.contains($0) }
        if left.isEmpty, !leaving.isEmpty {
            checker.report(value.place, "when \(leaving.joined(separator: " and ")) leave, no node is left")
            return nil
        }
        change(to: left)
        return leaving.isEmpty ? nil : .leave(leaving)
    }

    /// What a file needs in which a node joins.
    private var later: String { "\"nodes.later\" in the lab, or a node that has left" }

    private func isAll(_ value: YAMLValue) -> Bool { value.text == "all" }

    /// Whether a name is one of the lab's. What is none is reported, unless the lab is not known.
    private mutating func isKnown(_ name: String, _ item: YAMLValue) -> Bool {
        guard !labNodes.isEmpty else { return true }
        guard !labNodes.contains(name) else { return true }
        checker.report(
            item.place,
            name == "all" ? "\"all\" stands alone, not in a list of nodes" : "no node \"\(name)\" in the lab",
            expected: labNodes.oneOf, suggestion: NearestName.of(name, among: labNodes))
        return false
    }

    /// Takes other nodes as those that are there. Pods stay where they are, as far as their nodes do.
    private mutating func change(to present: [String]) {
        guard !labNodes.isEmpty else { return }
        if places == nil { places = [:] }
        settlePlaces()
        nodes = present
        checker.absentNodes = labNodes.filter { !present.contains($0) }
        settlePlaces()
    }

    /// Notes where the pods of this moment are, once a node has joined or left: those that run stay there.
    mutating func settlePlaces() {
        guard let known = places else { return }
        let pods = WorkloadPlacement.pods(for: workloads, nodes: nodes, keeping: known)
        places = Dictionary(pods.map { ($0.endpointID, $0.node) }) { first, _ in first }
    }
}
