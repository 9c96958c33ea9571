import KubeObjects
import KubeProxy
import NodeProtocol
import Scenario

/// What a cluster knows of kube-proxy on its nodes.
///
/// The lab plays kube-proxy: it computes the rules from the objects, as kube-proxy does from the API server's watches,
/// and the node applies them with `iptables-restore` of the userland disk. In the node there is no process of that
/// name; the rules are the kernel's, and stay there when nobody follows the objects any more.
struct KubeProxyState: Sendable {
    /// Whether it belongs on the nodes.
    var isEnabled: Bool
    /// The rule set that a node was given last; no entry: it has none.
    var applied: [String: KubeProxyRules] = [:]
    /// Nodes whose rules are no longer followed.
    var abandoned: Set<String> = []
}

extension Cluster {
    /// Whether kube-proxy keeps a node's rules up to date.
    public func runsKubeProxy(on node: String) async -> Bool {
        let state = await kubeProxy.value
        return state.isEnabled && !state.abandoned.contains(node)
    }

    /// The rules that kube-proxy laid out on a node last; nil when the node has none of it.
    public func kubeProxyRulesLaidOut(on node: String) async -> KubeProxyRules? {
        await kubeProxy.value.applied[node]
    }

    /// The rules that kube-proxy would lay out on a node for the objects of this moment.
    /// - Throws: `LabError` when a service asks for something that the lab's kube-proxy has no rules for.
    public func kubeProxyRulesWanted(on node: String) async throws -> KubeProxyRules {
        try kubeProxyRules(of: await objects, on: node)
    }

    /// Gives every node on which kube-proxy runs the rules of the objects.
    func updateKubeProxies(_ objects: ClusterObjects) async throws {
        guard await kubeProxy.value.isEnabled else { return }
        // Its agent may be away: kube-proxy does not depend on it.
        var followed: [ClusterNode] = []
        for node in nodes where await node.state.answers {
            if await runsKubeProxy(on: node.name) { followed.append(node) }
        }
        try await onAll(followed) { node in try await self.applyKubeProxyRules(objects, on: node) }
    }

    /// Starts kube-proxy on all nodes, or ends it and removes its rules, as `kube-proxy --cleanup` does. A node on
    /// which it was abandoned keeps the rules that it has.
    func setKubeProxy(_ isEnabled: Bool) async throws {
        await kubeProxy.update { $0.isEnabled = isEnabled }
        if isEnabled { return try await updateKubeProxies(await objects) }
        let state = await kubeProxy.value
        let served = nodes.filter { state.applied[$0.name] != nil && !state.abandoned.contains($0.name) }
        try await onAll(served) { node in try await self.removeKubeProxyRules(of: node) }
    }

    private func removeKubeProxyRules(of node: ClusterNode) async throws {
        let cleanup = try await netfilterRules(of: node).cleanup
        if !cleanup.isEmpty { try await restore(cleanup, on: node) }
        await kubeProxy.update { $0.applied[node.name] = nil }
    }

    /// Nobody follows the objects on a node any more; its rules stay as they are. Where kube-proxy never ran, its rules
    /// of this moment are laid out first, as if it had.
    /// - Throws: `LabError` when the node did not take the rules.
    public func abandonKubeProxy(on node: ClusterNode) async throws {
        await kubeProxy.update { $0.abandoned.insert(node.name) }
        if await kubeProxy.value.applied[node.name] == nil { try await applyKubeProxyRules(await objects, on: node) }
    }

    /// The end of `abandonKubeProxy`: kube-proxy follows the objects again, or, where it does not belong, its rules are
    /// removed.
    public func mendKubeProxy(on node: ClusterNode) async throws {
        await kubeProxy.update { $0.abandoned.remove(node.name) }
        if await kubeProxy.value.isEnabled { return try await applyKubeProxyRules(await objects, on: node) }
        try await removeKubeProxyRules(of: node)
    }

    /// The rules of the node's iptables, read from its kernel, with their counters.
    /// - Throws: `LabError` when the node has no userland disk or does not answer, or when the rules could not be read.
    public func netfilterRules(of node: ClusterNode) async throws -> SavedRules {
        SavedRules(try await output(of: ["iptables-save", "-c"], on: node))
    }

    /// Names of the processes that run in the node.
    /// - Throws: `LabError` when the node has no userland disk or does not answer, or when `ps` failed.
    public func processes(of node: ClusterNode) async throws -> [String] {
        try await output(of: ["ps", "-o", "comm"], on: node)
            .split(whereSeparator: \.isNewline).dropFirst().map(String.init)
    }

    private func kubeProxyRules(of objects: ClusterObjects, on node: String) throws -> KubeProxyRules {
        if let limited = objects.services.values.first(where: { !$0.spec.loadBalancerSourceRanges.isEmpty }) {
            throw LabError(
                .plan,
                "Service \(limited.key): the lab's kube-proxy has no rules for loadBalancerSourceRanges"
            )
        }
        return KubeProxyRules(
            services: Array(objects.services.values),
            slices: objects.endpointSlices.values.sorted { $0.key < $1.key }, nodeName: node,
            // kube-proxy's --cluster-cidr is one range.
            clusterCIDR: plan.clusterPodCIDRs.count == 1 ? plan.clusterPodCIDRs.first : nil)
    }

    private func applyKubeProxyRules(_ objects: ClusterObjects, on node: ClusterNode) async throws {
        let rules = try kubeProxyRules(of: objects, on: node.name)
        let before = await kubeProxy.value.applied[node.name]
        let text = rules.text(removing: before, insertingJumps: before == nil)
        if let before, before.text() == rules.text() { return }
        try await restore(text, on: node)
        await kubeProxy.update { $0.applied[node.name] = rules }
    }

    private func restore(_ text: String, on node: ClusterNode) async throws {
        _ = try await output(of: ["iptables-restore", "-w", "5", "--noflush"], on: node, input: text)
    }

    /// Returns what a program of the userland disk printed.
    /// - Throws: `LabError` when it could not be run, or ended with another status than 0.
    private func output(
        of arguments: [String], on node: ClusterNode, input: String = ""
    ) async throws -> String {
        let command = PodExec(pod: nil, arguments: arguments, input: input, deadlineMillis: 60_000)
        guard case .executed(let ended) = try await node.call(.podExec(command), within: .seconds(60) + slack) else {
            throw LabError(.request, "\(node.name) answered something else than the end of \(arguments[0])")
        }
        return try ended.printed(by: arguments[0], on: node.name)
    }
}

extension Executed {
    /// What the program printed. If it failed, that is no reading, even if it is empty.
    func printed(by program: String, on node: String) throws -> String {
        guard status == 0 else {
            throw LabError(.request, "\(node): \(program) ended with \(status): \(errorOutput.suffix(400))")
        }
        return output
    }
}
