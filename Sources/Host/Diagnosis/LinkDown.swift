import Readings

/// The node runs and answers out of band, but its underlay interface has no carrier.
enum LinkDown: RootCause {
    static let ids = ["underlay/link-down"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        evidence.nodes.filter { $0.power == .running && $0.carrier == false }.map { node in
            let cells = paths.failing.filter { index in
                let key = evidence.probes[index].key
                let from = paths.node(ofEndpoint: key.from)
                let to = paths.node(ofEndpoint: key.to)
                return from != to && (from == node.name || to == node.name)
            }
            let packets = evidence.wire.filter { $0.node == node.name }.count
            return Explanation(
                finding: Finding(
                    id: ids[0], summary: "the underlay interface of \(node.name) has no carrier",
                    evidence: [
                        "\(node.name) answers out of band and reports its interface without carrier",
                        "\(packets) packets were seen on its tap during the measurement",
                    ],
                    fix: "bring the link of \(node.name) up", confidence: 0.95),
                cells: Set(cells))
        }
    }
}
