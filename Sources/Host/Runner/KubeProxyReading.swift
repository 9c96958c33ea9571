import KubeProxy
import Lab

/// What a node's kernel and its processes say of kube-proxy.
public struct KubeProxyReading: Sendable, Hashable {
    /// `KUBE-SERVICES`, of all tables.
    public var chains: [String]
    /// `-A KUBE-SERVICES …`, jumps into its chains among them.
    public var rules: [String]
    /// Names of all processes of the node.
    public var processes: [String]

    public init(chains: [String], rules: [String], processes: [String]) {
        self.chains = chains
        self.rules = rules
        self.processes = processes
    }

    init(_ saved: SavedRules, processes: [String]) {
        self.init(
            chains: saved.chains.values.joined().filter { $0.hasPrefix("KUBE-") }.sorted(),
            rules: saved.kubeProxys.map(\.text), processes: processes)
    }

    /// Whatever there is of it, an example each; empty: nothing.
    var traces: [String] {
        var found: [String] = []
        if let chain = chains.first { found.append("\(chains.count) chains, for example \(chain)") }
        if let rule = rules.first { found.append("\(rules.count) rules, for example \(rule)") }
        if processes.contains("kube-proxy") { found.append("a process kube-proxy") }
        return found
    }
}

extension EvidenceCollector {
    /// Of each node, or why it could not be read.
    func kubeProxies() async -> [String: Result<KubeProxyReading, any Error>] {
        var found: [String: Result<KubeProxyReading, any Error>] = [:]
        for node in cluster.nodes {
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
