import AgentAPI
import DatapathOptions
import KubeObjects
import NodeProtocol

extension Cluster {
    /// Starts a node's agent and waits until it is ready. With `ipam.mode: kubernetes` it gets its Node object first,
    /// unless an API server has it: without `spec.podCIDR` it never becomes ready.
    func startAgent(of node: ClusterNode, within deadline: Duration) async throws {
        try await node.startAgent(within: deadline)
        if server == nil, try DatapathOptions(values: datapathValues).ipam.mode == .kubernetes {
            try await pushNodeObjects(to: node, within: deadline)
        }
        try await node.wait(for: "ready", within: deadline) { $0.isReady }
    }

    /// Starts the agent as `startAgent` does. An agent that ends by itself has refused the new values. A scenario may
    /// expect that, so it is no failure of the lab.
    func startAgentOrLetItRefuse(of node: ClusterNode) async throws {
        try await letItRefuse(node) {
            // On an emulated node of a busy host the verifier alone has taken 15 s.
            try await startAgent(of: node, within: .seconds(90))
        }
    }

    /// Runs what waits for a node's agent. That the agent refuses its values is noted, and no failure.
    func letItRefuse(_ node: ClusterNode, _ body: () async throws -> Void) async throws {
        do {
            try await body()
            refused(node.name, false)
        } catch {
            // An agent that was told to end exits with 0. One that refuses its values exits with another status.
            guard let agent = await node.state.agent, !agent.running, let ended = agent.ended,
                ended.hasPrefix("exit "), ended != "exit 0"
            else { throw error }
            refused(node.name, true)
        }
    }

    /// All Node objects, as the API server would give them to an agent that starts.
    func pushNodeObjects(to node: ClusterNode, within deadline: Duration) async throws {
        let end = ContinuousClock.now + deadline
        while true {
            do {
                _ = try await node.agent(
                    .setObjects, ObjectSet(own.kubeNodes), as: Acknowledgement.self, within: slack)
                return
            } catch {
                // The agent opens its socket a moment after its start.
                guard ContinuousClock.now < end, await node.state.agent?.running == true else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
