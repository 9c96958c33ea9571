import KubeProxy
import Lab
import Observations

extension KubeProxyReading {
    /// - Parameter processes: names of all processes of the node.
    init(_ saved: SavedRules, processes: [String]) {
        self.init(
            chains: saved.chains.values.joined().filter { $0.hasPrefix("KUBE-") }.sorted(),
            rules: saved.kubeProxys.map(\.text), processes: processes)
    }
}

extension EvidenceCollector {
    /// What there is of kube-proxy on each node, or why that could not be read.
    func kubeProxies() async -> [String: Result<KubeProxyReading, any Error>] {
        var found: [String: Result<KubeProxyReading, any Error>] = [:]
        for node in cluster.presentNodes {
            do {
                let rules = try await cluster.netfilterRules(of: node)
                let processes = try await cluster.processes(of: node)
                found[node.name] = .success(KubeProxyReading(rules, processes: processes))
            } catch {
                found[node.name] = .failure(error)
            }
        }
        return found
    }
}
