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

    func effect() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let rules = try await cluster.netfilterRules(of: node).kubeProxys
            let runs = await cluster.runsKubeProxy(on: node.name)
            holds = holds && !rules.isEmpty && !runs
            lines.append(
                "\(node.name): iptables-save lists \(rules.count) rules of kube-proxy, "
                    + (runs ? "which runs" : "and no kube-proxy keeps them"))
        }
        return Proof(holds, lines)
    }

    func heal() async throws {
        for node in nodes { try await cluster.mendKubeProxy(on: node) }
    }

    func gone() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let rules = try await cluster.netfilterRules(of: node).kubeProxys
            let runs = await cluster.runsKubeProxy(on: node.name)
            holds = holds && (runs || rules.isEmpty)
            lines.append(
                "\(node.name): \(rules.count) rules of kube-proxy" + (runs ? ", which keeps them up to date" : ""))
        }
        return Proof(holds, lines)
    }
}
