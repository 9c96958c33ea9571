/// What a node's kernel and its processes say of kube-proxy.
public struct KubeProxyReading: Sendable, Hashable {
    /// Chains named `KUBE-…`, of all tables.
    public var chains: [String]
    /// Rules in these chains, and rules that jump to them.
    public var rules: [String]
    /// Names of all processes of the node.
    public var processes: [String]

    public init(chains: [String], rules: [String], processes: [String]) {
        self.chains = chains
        self.rules = rules
        self.processes = processes
    }

    /// What was found of kube-proxy, with an example of each; empty when there is nothing.
    package var traces: [String] {
        var found: [String] = []
        if let chain = chains.first { found.append("\(chains.count) chains, for example \(chain)") }
        if let rule = rules.first { found.append("\(rules.count) rules, for example \(rule)") }
        if processes.contains("kube-proxy") { found.append("a process kube-proxy") }
        return found
    }
}
