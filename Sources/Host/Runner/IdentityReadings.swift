import AgentAPI
import Lab
import Observations
import Readings

extension EvidenceCollector {
    /// Returns what every node's agent says of its own endpoints, and the nodes that could not be asked, each with the
    /// reason.
    func identities() async -> ([IdentityReading], [String: String]) {
        // Agents know pods by their own names.
        let names = Dictionary(
            await cluster.runningPods.map(\.planned).map { ("\($0.namespace)/\($0.ownName ?? $0.name)", $0.endpointID) }
        ) { first, _ in first }
        return await withTaskGroup(of: (String, [IdentityReading], String?).self) { group in
            for node in cluster.presentNodes { group.addTask { await Self.identities(of: node, names) } }
            var readings: [IdentityReading] = []
            var missing: [String: String] = [:]
            for await (node, own, gap) in group {
                readings += own
                if let gap { missing[node] = gap }
            }
            return (readings, missing)
        }
    }

    private static func identities(
        of node: ClusterNode, _ names: [String: String]
    ) async -> (String, [IdentityReading], String?) {
        do {
            let endpoints = try await node.agent(.endpoints, as: [AgentEndpoint].self, within: .seconds(3))
            let readings = endpoints.filter { $0.state == "ready" }.map {
                let name = "\($0.namespace)/\($0.name)"
                return IdentityReading(
                    node: node.name, pod: names[name] ?? name, identity: $0.identity, endpointID: $0.id)
            }
            return (node.name, readings, nil)
        } catch {
            return (node.name, [], "\(error)")
        }
    }
}
