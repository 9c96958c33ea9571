import AgentAPI
import Lab
import Observations
import Readings

extension EvidenceCollector {
    /// Returns what every node's agent says of its own endpoints, and the nodes that could not be asked, each with the
    /// reason.
    func identities() async -> ([IdentityReading], [String: String]) {
        await withTaskGroup(of: (String, [IdentityReading], String?).self) { group in
            for node in cluster.nodes { group.addTask { await Self.identities(of: node) } }
            var readings: [IdentityReading] = []
            var missing: [String: String] = [:]
            for await (node, own, gap) in group {
                readings += own
                if let gap { missing[node] = gap }
            }
            return (readings, missing)
        }
    }

    private static func identities(of node: ClusterNode) async -> (String, [IdentityReading], String?) {
        do {
            let endpoints = try await node.agent(.endpoints, as: [AgentEndpoint].self, within: .seconds(3))
            let readings = endpoints.filter { $0.state == "ready" }.map {
                IdentityReading(
                    node: node.name, pod: "\($0.namespace)/\($0.name)", identity: $0.identity, endpointID: $0.id)
            }
            return (node.name, readings, nil)
        } catch {
            return (node.name, [], "\(error)")
        }
    }
}
