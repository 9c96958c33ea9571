import Lab
import Scenario

/// Ends kube-proxy and leaves its rules in the kernel, where nobody keeps them up to date.
struct KubeProxyResidueFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "kube-proxy-residue", summary: "leave kube-proxy's rules on {nodes} without a kube-proxy",
        parameters: [FaultParameter.nodes(required: true, help: "nodes where the rules are left")],
        needsUserland: true,
        claims: { $0.claims(.kubeProxy, among: $1) })

    private let nodes: [ClusterNode]
    private let cluster: Cluster

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        self.cluster = cluster
    }

    var targets: [String] { nodes.map { "\($0.name) kube-proxy" } }

    func inject() async throws {
        for node in nodes { try await cluster.abandonKubeProxy(on: node) }
    }

    /// Holds when the node's kernel has the rules that were left, whole, and kube-proxy no longer follows the objects.
    func effect() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let saved = try await cluster.netfilterRules(of: node)
            let left = await cluster.kubeProxyRulesLaidOut(on: node.name)?.chains ?? []
            let runs = await cluster.runsKubeProxy(on: node.name)
            holds = holds && !left.isEmpty && saved.kubeProxyChains == left && !runs
            lines.append(
                "\(node.name): iptables-save lists \(saved.kubeProxys.count) rules of kube-proxy, "
                    + (runs ? "which runs" : "and no kube-proxy keeps them")
                    + Self.differences(of: saved.kubeProxyChains, from: left))
        }
        return Proof(holds, lines)
    }

    func heal() async throws {
        for node in nodes { try await cluster.mendKubeProxy(on: node) }
    }

    /// Holds when the node's kernel has what kube-proxy makes of the objects of this moment or, where kube-proxy does
    /// not belong, nothing of kube-proxy's.
    func gone() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let saved = try await cluster.netfilterRules(of: node)
            let runs = await cluster.runsKubeProxy(on: node.name)
            let wanted = runs ? try await cluster.kubeProxyRulesWanted(on: node.name).chains : []
            holds = holds && saved.kubeProxyChains == wanted && saved.kubeProxys.isEmpty != runs
            lines.append(
                "\(node.name): \(saved.kubeProxys.count) rules of kube-proxy"
                    + (runs ? ", which keeps them up to date" : "")
                    + Self.differences(of: saved.kubeProxyChains, from: wanted))
        }
        return Proof(holds, lines)
    }

    /// The chains that the kernel has too many and those that it lacks, for a report; empty when there are none.
    private static func differences(of chains: Set<String>, from wanted: Set<String>) -> String {
        func list(_ what: String, _ names: Set<String>) -> String {
            guard let first = names.min() else { return "" }
            return "; \(what) \(first)" + (names.count > 1 ? " and \(names.count - 1) more" : "")
        }
        return list("left over is", chains.subtracting(wanted)) + list("missing is", wanted.subtracting(chains))
    }
}
