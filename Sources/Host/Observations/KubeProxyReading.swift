/// What a node's kernel and processes show of kube-proxy.
public struct KubeProxyReading: Sendable, Hashable {
    /// The chains named `KUBE-…`, of all tables.
    public var chains: [String]
    /// The rules in these chains, and the rules that jump to them.
    public var rules: [String]
    /// The names of all processes of the node.
    public var processes: [String]

    public init(chains: [String], rules: [String], processes: [String]) {
        self.chains = chains
        self.rules = rules
        self.processes = processes
    }

    /// The traces of kube-proxy, with an example of each kind. It is empty if there are none.
    package var traces: [String] {
        var found: [String] = []
        if let chain = chains.first { found.append("\(chains.count) chains, for example \(chain)") }
        if let rule = rules.first { found.append("\(rules.count) rules, for example \(rule)") }
        if processes.contains("kube-proxy") { found.append("a process kube-proxy") }
        return found
    }
}
