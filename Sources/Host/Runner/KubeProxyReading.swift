import KubeProxy
import Lab

/// The traces of kube-proxy in a node's kernel and processes.
public struct KubeProxyReading: Sendable, Hashable {
    /// The chains of all tables, for example `KUBE-SERVICES`.
    public var chains: [String]
    /// The rules, for example `-A KUBE-SERVICES …`, including jumps into its chains.
    public var rules: [String]
    /// The names of all processes on the node.
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

    /// One example of each kind of trace that is found; empty: none.
    var traces: [String] {
        var found: [String] = []
        if let chain = chains.first { found.append("\(chains.count) chains, for example \(chain)") }
        if let rule = rules.first { found.append("\(rules.count) rules, for example \(rule)") }
        if processes.contains("kube-proxy") { found.append("a process kube-proxy") }
        return found
    }
}

extension EvidenceCollector {
    /// Reads each node. A node that could not be read has the reason.
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
