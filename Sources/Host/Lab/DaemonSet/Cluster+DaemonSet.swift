import JSON
import KubeClient
import KubeObjects
import NodeProtocol

/// Agents that are a DaemonSet's pods: who starts them is not the lab host, but the control plane and the node.
extension Cluster {
    /// Whether the control plane decides which nodes have an agent.
    public var isAgentInPod: Bool { plan.profile.installation.kind == .daemonSet }

    /// The pods of agents that are neither ended nor being deleted, by their nodes. The API server has those of a node
    /// that has left for up to a minute.
    private var agentPods: [String: ServedPod] {
        guard let server else { return [:] }
        let pods = server.read { state in state.pods.values.filter { $0.isActive && AgentDaemonSet.isAgent($0) } }
        let placed = pods.compactMap { pod in pod.pod.spec.nodeName.map { ($0, pod) } }
        return Dictionary(placed.filter { membership.standing(of: $0.0) != .absent }) { first, _ in first }
    }

    /// Whether a node is to have an agent, as far as is known.
    func hasAgent(_ node: ClusterNode) -> Bool { !isAgentInPod || agentPods[node.name] != nil }

    func installAgents(within limit: Duration) async throws {
        guard isAgentInPod, let server else { return }
        try await server.apply([AgentDaemonSet.manifest(plan.profile.installation)], within: limit)
    }

    /// Waits until the DaemonSet has a pod on each node that it is to run on, and these nodes are ready. Others have no
    /// agent, and stay as they are.
    ///
    /// - Throws: `LabError` with what is missing.
    public func waitForAgentPods(within limit: Duration) async throws {
        guard isAgentInPod else { return }
        let end = ContinuousClock.now + limit
        var last: [String: String] = [:]
        var lastChange = ContinuousClock.now
        while true {
            let (pods, missing) = await lackingAgents()
            if pods != last { (last, lastChange) = (pods, ContinuousClock.now) }
            // A node that has just registered is counted a moment later.
            if missing.isEmpty, ContinuousClock.now - lastChange > .seconds(1) { break }
            guard ContinuousClock.now < end else {
                throw LabError(
                    .notReady,
                    "the agents of DaemonSet \(AgentDaemonSet.name) were not ready within \(limit): "
                        + (missing.isEmpty ? "their pods change all the time" : missing.joined(separator: "; ")))
            }
            // Nobody tells of the counts of a DaemonSet; they are asked for again after a moment.
            try await Task.sleep(for: .milliseconds(100))
        }
        try await announceNodes()
        try await announceObjects()
    }

    /// The pods of agents by node, and what is not as it is to be, in words.
    private func lackingAgents() async -> (pods: [String: String], missing: [String]) {
        guard let server else { return ([:], []) }
        let pods = agentPods
        let names = pods.mapValues { $0.key.name }
        let known = server.read { state in Set(state.objects.nodes.keys.map(\.name)) }
        var missing: [String] = []
        for node in nodes where await node.state.answers {
            if !known.contains(node.name) { missing.append("Node \(node.name) has not registered") }
            guard let pod = pods[node.name] else { continue }
            let state = await node.state
            if !state.isReady {
                missing.append("\(node.name): \(state.description), Pod \(pod.key): \(pod.reason ?? "no reason")")
            }
        }
        do {
            let set = try await server.client.get(
                .daemonSets, namespace: AgentDaemonSet.namespace, name: AgentDaemonSet.name, as: JSONValue.self,
                within: .seconds(5))
            let wanted = set["status"]?["desiredNumberScheduled"]?.integerValue ?? 0
            let hasSeen =
                set["status"]?["observedGeneration"]?.integerValue == set["metadata"]?["generation"]?.integerValue
            if !hasSeen {
                missing.append("its controller has not seen it")
            } else if wanted != Int64(pods.count) {
                missing.append("\(pods.count) of \(wanted) pods are scheduled")
            }
        } catch {
            missing.append("\(error)")
        }
        return (names, missing)
    }

    /// Takes note of an agent that nobody here has started.
    func welcome(_ node: ClusterNode, _ notice: NodeNotice) {
        guard isAgentInPod, case .ready = notice else { return }
        note(\.agent, of: node.name)
        // One that goes meanwhile is noted when it is back.
        Task { [self] in try? await announceNodes() }
    }

    /// Deletes the pods of agents, in whose place the DaemonSet makes new ones, and waits until each has become ready
    /// or has refused its values.
    func replaceAgents(of nodes: [ClusterNode]) async throws {
        guard let server else { return }
        let pods = agentPods
        try await onAll(nodes.filter { pods[$0.name] != nil }) { node in
            guard let pod = pods[node.name] else { return }
            let starts = await node.state.agent?.starts ?? 0
            try await server.client.delete(
                .pods, namespace: pod.key.namespace, name: pod.key.name, within: self.slack)
            try await self.letItRefuse(node) {
                try await node.wait(for: "ready", since: starts + 1, within: .seconds(120)) { $0.isReady }
            }
        }
    }
}
