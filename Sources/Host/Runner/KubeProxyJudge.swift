import KubeProxy
import Lab
import RunEvents
import Scenario

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

extension Judge {
    func kubeProxyResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.nodes.flatMap { expected -> [ExpectationResult] in
            guard let wanted = expected.kubeProxy else { return [] }
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let title = "kube-proxy on \(name): \(wanted.rawValue)"
                let reading: KubeProxyReading
                switch observation.kubeProxies[name] {
                case .success(let found)?: reading = found
                case .failure(let error)?: return result(title, .inconclusive, "\(name) could not be read: \(error)")
                case nil: return result(title, .inconclusive, "\(name) was not read")
                }
                // Where not even this reading's own process is listed, nothing was read.
                guard !reading.processes.isEmpty else {
                    return result(title, .inconclusive, "the processes of \(name) could not be listed")
                }
                let met = wanted == .absent ? reading.traces.isEmpty : !reading.rules.isEmpty
                return result(
                    title, met ? .met : .unmet,
                    reading.traces.isEmpty
                        ? "no KUBE-* chain or rule, and \(reading.processes.count) processes of other names"
                        : reading.traces.joined(separator: "; "))
            }
        }
    }
}
