import Readings

/// Pods leave by an interface on which the datapath has no program, under their own address, while another interface of
/// the node has one.
enum DeviceNotListed: RootCause {
    static let ids = ["egress/device-not-listed"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let egress = EgressSource(evidence, paths)
        let some = egress.unanswered.filter { isUnlisted($0.place, paths) }
        return Dictionary(grouping: some) { $0.place.interface ?? "" }.sorted { $0.key < $1.key }.map { name, some in
            let nodes = Set(some.map(\.place.node))
            let listed = Set(nodes.flatMap { paths.nodes[$0]?.datapathDevices ?? [] })
            let others = egress.answeredOthers(some, evidence, paths)
            var lines = [
                "on the wire of \(name) the source is the pod's own address: \(egress.sources(some))",
                "programs that masquerade hang on \(list(listed)) of \(list(nodes)), none on \(name)",
                "\(some.reduce(0) { $0 + $1.packets }) packets left by \(name), and no answer came to its tap",
            ]
            if let other = others.first { lines.append("the same host answers under a node's address: \(other)") }
            return Explanation(
                finding: Finding(
                    id: ids[0],
                    summary: "\(name) of \(list(nodes)) is not one of the datapath's devices: pods leave by it under "
                        + "their own addresses",
                    evidence: lines, fix: "add \(name) to devices",
                    confidence: (evidence.recordingIsComplete ? 0.7 : 0.4) + (others.isEmpty ? 0 : 0.25)),
                cells: Set(some.map(\.probe)))
        }
    }

    /// Whether the datapath was seen on other interfaces of the node, and not on this one.
    static func isUnlisted(_ place: EgressSource.Place, _ paths: PathIndex) -> Bool {
        guard let name = place.interface, let devices = paths.nodes[place.node]?.datapathDevices, !devices.isEmpty
        else {
            return false
        }
        return !devices.contains(name)
    }
}
