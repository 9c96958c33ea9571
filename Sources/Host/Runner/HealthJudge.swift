import RunEvents
import Scenario

extension Judge {
    /// `reachable/total` as each node's own agent sees it.
    func healthResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.health.flatMap { expected -> [ExpectationResult] in
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let total = expected.total ?? nodeCount
                let reachable = expected.allReachable ? total : expected.reachable
                let title = "health from \(name) is \(reachable)/\(total)"
                guard let record = observation.health.first(where: { $0.node == name }) else {
                    return result(
                        title, .inconclusive, observation.healthMissing[name] ?? "\(name) was not asked")
                }
                let seen = "\(record.reachable)/\(record.total) reachable"
                let bad = record.peers.filter { !$0.node || !$0.endpoint }.map {
                    "\($0.name) node \($0.node ? "1/1" : "0/1") endpoints \($0.endpoint ? "1/1" : "0/1")"
                }
                let detail = bad.isEmpty ? seen : "\(seen): \(bad.joined(separator: ", "))"
                let met = record.reachable == reachable && record.total == total
                // Agents wait for their probes' answers by the clock, as the matrix's probes do.
                if !met, record.reachable < reachable, let doubt = observation.healthSilence.reason {
                    return result(title, .inconclusive, "\(detail); \(doubt)")
                }
                return result(title, met ? .met : .unmet, detail)
            }
        }
    }
}
