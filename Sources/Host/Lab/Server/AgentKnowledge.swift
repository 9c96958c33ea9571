import AgentAPI
import KubeObjects

/// What an agent knows of the cluster, and what it should know by the API server.
struct AgentKnowledge: Sendable, Equatable {
    /// The names of nodes.
    var nodes: Set<String> = []
    /// The addresses of pods.
    var pods: Set<String> = []
    /// The numbers of objects of the kinds that come to agents, by kind.
    var objects: [String: Int] = [:]
    /// The number of ready endpoints in all endpoint slices; nil if it is not known.
    var readyEndpoints: Int?

    /// What it lacks of something else, in words; nil if it lacks nothing.
    func missing(of wanted: AgentKnowledge) -> String? {
        var words: [String] = []
        let nodes = wanted.nodes.subtracting(nodes).sorted()
        if !nodes.isEmpty { words.append("nodes " + nodes.joined(separator: ", ")) }
        let pods = wanted.pods.subtracting(pods).sorted()
        if !pods.isEmpty { words.append("pods at " + pods.prefix(8).joined(separator: ", ")) }
        for (kind, count) in wanted.objects.sorted(by: { $0.key < $1.key }) where (objects[kind] ?? 0) != count {
            words.append("\(objects[kind] ?? 0) of \(count) \(kind)")
        }
        if let count = wanted.readyEndpoints, let readyEndpoints, readyEndpoints != count {
            words.append("\(readyEndpoints) of \(count) ready endpoints")
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }
}

extension Cluster {
    /// The kinds whose number says that an agent has taken over what was applied. Pods are known by their addresses.
    private static let countedKinds: [ObjectKind] = [
        .services, .endpointSlices, .namespaces, .networkPolicies, .ciliumNetworkPolicies,
    ]

    /// Waits until every running agent that is connected to its API server knows what the server has: nodes, addresses
    /// of pods, objects. An agent that is not connected, or still lacks something when the time is over, is for the
    /// measurement to judge.
    ///
    /// - Returns: Who still lacked what when the time was over, in words.
    @discardableResult
    func waitForAgents(within limit: Duration) async throws -> [String] {
        guard let server else { return [] }
        let end = ContinuousClock.now + limit
        var waiting = await runningNodes()
        var behind: [String: String] = [:]
        while !waiting.isEmpty, ContinuousClock.now < end {
            try Task.checkCancellation()
            let wanted = await wantedKnowledge(server)
            behind = await withTaskGroup(of: (String, String?).self) { group in
                for node in waiting { group.addTask { (node.name, await self.lacks(node, wanted)) } }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            waiting = waiting.filter { behind[$0.name] != nil }
            guard !waiting.isEmpty else { return [] }
            // There is no event for what an agent knows.
            try await Task.sleep(for: .milliseconds(100))
        }
        return behind.sorted { $0.key < $1.key }.map { "\($0.key) lacks \($0.value)" }
    }

    /// Waits until every running agent is connected to its API server and knows what the server has.
    ///
    /// - Returns: The number of agents, the time that it took, and who still lacked what when the time was over.
    public func agentsCaughtUp(
        within limit: Duration
    ) async throws -> (agents: Int, taken: Duration, behind: [String]) {
        guard let server else { return (0, .zero, []) }
        let (began, agents) = (ContinuousClock.now, await runningNodes())
        while true {
            try Task.checkCancellation()
            let wanted = await wantedKnowledge(server)
            var behind: [String] = []
            for node in agents {
                let status = try? await node.agent(.status, as: AgentStatus.self)
                if status?.apiServer?.isConnected == false {
                    behind.append("\(node.name) is not connected")
                } else if let missing = await lacks(node, wanted) {
                    behind.append("\(node.name) lacks \(missing)")
                }
            }
            let taken = ContinuousClock.now - began
            guard !behind.isEmpty, taken < limit else { return (agents.count, taken, behind) }
            // There is no event for what an agent knows.
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func wantedKnowledge(_ server: ServerStore) async -> AgentKnowledge {
        let objects = await server.objects
        var wanted = AgentKnowledge()
        // A node that has no agent makes no CiliumNode, by which others would know it.
        wanted.nodes = Set(await runningNodes().filter(hasAgent).map(\.name))
        wanted.pods = Set(await server.runningPods.filter { !$0.isOnHost && isPresent($0.planned.node) }.map(\.address))
        for kind in Self.countedKinds { wanted.objects[kind.rawValue] = objects.count(kind) }
        wanted.readyEndpoints = objects.readyEndpointCount
        return wanted
    }

    /// What an agent lacks; nil if nothing, or if it cannot be asked or cannot ask itself.
    private func lacks(_ node: ClusterNode, _ wanted: AgentKnowledge) async -> String? {
        guard await node.state.isReady, let status = try? await node.agent(.status, as: AgentStatus.self),
            status.apiServer?.isConnected != false
        else { return nil }
        var known = AgentKnowledge(
            nodes: Set(status.knownNodes + [node.name]), objects: status.objects, readyEndpoints: status.readyEndpoints)
        var others = wanted
        others.pods = []
        // Addresses are asked for when the rest is there: the answer is long.
        if let missing = known.missing(of: others) { return missing }
        if !wanted.pods.isEmpty, let entries = try? await node.agent(.ipcache, as: [IPCacheEntry].self) {
            known.pods = Set(entries.filter { $0.prefix == 32 }.map(\.address))
        }
        return known.missing(of: wanted)
    }
}
