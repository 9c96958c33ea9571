import Readings

/// A node does not run, or its processors are stopped, so nothing to or from it is answered.
enum NodeDown: RootCause {
    static let ids = ["node/crashed", "node/paused"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        evidence.nodes.filter { $0.power == .paused || $0.power == .stopped }.map { node in
            let stopped = node.power == .stopped
            let cells = paths.failing.filter { index in
                let key = evidence.probes[index].key
                return paths.node(ofEndpoint: key.from) == node.name || paths.node(ofEndpoint: key.to) == node.name
            }
            let left = evidence.wire.filter { $0.node == node.name && $0.fromNode }.count
            return Explanation(
                finding: Finding(
                    id: stopped ? "node/crashed" : "node/paused",
                    summary: stopped ? "\(node.name) is not running" : "\(node.name) stands still (paused)",
                    evidence: [
                        "the hypervisor reports \(node.name) as \(node.power.rawValue)",
                        node.answers ? "it still answered out of band" : "it does not answer out of band",
                        "\(left) packets left its tap during the measurement",
                    ],
                    fix: stopped ? "start \(node.name) again" : "resume \(node.name)", confidence: 0.97),
                cells: Set(cells))
        }
    }
}
