import Matrix

/// The agent's programs dropped the packets and said why.
enum DatapathDrop: RootCause {
    static let ids = ["datapath/drop"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        var cells: [String: Set<Int>] = [:]
        var places: [String: Set<String>] = [:]
        var rules: [String: Set<String>] = [:]
        for index in paths.failing {
            let probe = evidence.probes[index]
            guard let flow = probe.flow else { continue }
            for node in Set([probe.key.from, probe.key.to].compactMap({ paths.node(ofEndpoint: $0) })) {
                for reading in paths.readings(of: flow, node: node) + paths.readings(of: flow.reversed, node: node)
                where reading.point == "drop" {
                    let reason = reading.dropReason ?? "unknown reason"
                    cells[reason, default: []].insert(index)
                    places[reason, default: []].insert("\(node) \(reading.location ?? "")")
                    if let rule = reading.rule { rules[reason, default: []].insert(rule) }
                }
            }
        }
        return cells.sorted { $0.key < $1.key }.map { reason, cells in
            Explanation(
                finding: Finding(
                    id: ids[0], summary: "the datapath drops the packets: \(reason)",
                    evidence: [
                        "drop events: \(reason) at \(list(places[reason] ?? []))", "\(cells.count) probes hit it",
                    ] + (rules[reason].map { ["decided by \(list($0))"] } ?? []),
                    fix: "see the drop reason \(reason)", confidence: 0.8),
                cells: cells)
        }
    }
}
