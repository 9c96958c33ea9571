import Readings

/// Pods leave the cluster under their own address, to which nobody outside has a way back.
enum MissingSNAT: RootCause {
    static let ids = ["egress/missing-snat"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let egress = EgressSource(evidence, paths)
        let some = egress.unanswered.filter { !DeviceNotListed.isUnlisted($0.place, paths) }
        let names = ForwardedNames(evidence, paths)
        guard !some.isEmpty || !names.unanswered.isEmpty else { return [] }
        let nodes = Set(some.map(\.place.node)).union(names.unanswered.map(\.node))
        let targets = Set(some.map(\.target.address)).union(names.unanswered.map(\.upstream))
        var lines: [String] = []
        if !some.isEmpty {
            lines = [
                "on the wire of \(list(Set(some.map(\.place.node)))) the source is the pod's own address: "
                    + egress.sources(some),
                "\(some.reduce(0) { $0 + $1.packets }) packets left so, and no answer came to the tap",
            ]
        }
        lines += names.lines
        let others = egress.answeredOthers(some, evidence, paths)
        if let other = others.first { lines.append("the same host answers under a node's address: \(other)") }
        if !evidence.recordingIsComplete {
            lines.append("the captures missed packets, so that the absence of answers is weak evidence")
        }
        return [
            Explanation(
                finding: Finding(
                    id: ids[0],
                    summary: "pods of \(list(nodes)) leave the cluster under their own addresses, to which "
                        + "\(list(targets)) has no way back",
                    evidence: lines,
                    fix: "masquerade what leaves the cluster (bpf.masquerade: true), or route the pods' range to "
                        + "the nodes",
                    confidence: (evidence.recordingIsComplete ? 0.7 : 0.4) + (others.isEmpty ? 0 : 0.25)),
                cells: Set(some.map(\.probe)).union(names.unanswered.map(\.probe)))
        ]
    }
}
