import AgentAPI
import KubeObjects
import ServedObjects

/// What an agent knows of the cluster, and what it should know by the API server.
struct AgentKnowledge: Sendable, Equatable {
    /// More names of a kind are not told.
    private static let mostNames = 8

    /// The names of nodes.
    var nodes: Set<String> = []
    /// The addresses of pods.
    var pods: Set<String> = []
    /// The numbers of objects of the kinds that come to agents, by kind.
    var counts: [String: Int] = [:]
    /// The number of ready endpoints in all endpoint slices; nil if it is not known.
    var readyEndpoints: Int?
    /// The fingerprints of these objects, by kind and `namespace/name`.
    var objects: [String: [String: String]] = [:]

    /// What it lacks of something else, in words; nil if it lacks nothing.
    func missing(of wanted: AgentKnowledge) -> String? {
        var words: [String] = []
        let nodes = wanted.nodes.subtracting(nodes)
        if !nodes.isEmpty { words.append("nodes " + Self.list(nodes)) }
        let pods = wanted.pods.subtracting(pods)
        if !pods.isEmpty { words.append("pods at " + Self.list(pods)) }
        for (kind, count) in wanted.counts.sorted(by: { $0.key < $1.key }) where (counts[kind] ?? 0) != count {
            words.append("\(counts[kind] ?? 0) of \(count) \(kind)")
        }
        for (kind, theirs) in wanted.objects.sorted(by: { $0.key < $1.key }) {
            let own = objects[kind] ?? [:]
            let unknown = theirs.keys.filter { own[$0] == nil }
            if !unknown.isEmpty { words.append("\(kind) " + Self.list(unknown)) }
            let other = theirs.filter { own[$0.key] != nil && own[$0.key] != $0.value }.keys
            if !other.isEmpty { words.append("the present state of \(kind) " + Self.list(other)) }
            let gone = own.keys.filter { theirs[$0] == nil }
            if !gone.isEmpty { words.append("the end of \(kind) " + Self.list(gone)) }
        }
        if let count = wanted.readyEndpoints, let readyEndpoints, readyEndpoints != count {
            words.append("\(readyEndpoints) of \(count) ready endpoints")
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }

    private static func list(_ names: some Collection<String>) -> String {
        let more = names.count > mostNames ? " and \(names.count - mostNames) more" : ""
        return names.sorted().prefix(mostNames).joined(separator: ", ") + more
    }
}

extension Cluster {
    /// The kinds whose objects say that an agent has taken over what was applied. Pods are known by their addresses,
    /// and Nodes, which say every few seconds that they live, by their names.
    private static let comparedKinds: [ObjectKind] = [
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
            if waiting.isEmpty {
                // Agents that agree with a watch that is itself behind have only caught up with the past. A server that
                // cannot be asked tells nobody anything else.
                guard case .behind = await server.lag(within: .seconds(5)) else { return [] }
                behind = ["the lab's watch": "the newest state"]
                waiting = await runningNodes()
            }
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
            if behind.isEmpty {
                switch await server.lag(within: .seconds(5)) {
                case .current: break
                case .behind: behind.append("the lab's own watch is behind the API server")
                case .unread(let reason): behind.append("what the API server has cannot be read: \(reason)")
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
        for kind in Self.comparedKinds {
            wanted.counts[kind.rawValue] = objects.count(kind)
            wanted.objects[kind.rawValue] = objects.fingerprints(kind)
        }
        wanted.readyEndpoints = objects.readyEndpointCount
        return wanted
    }

    /// What an agent lacks; nil if nothing, or if it cannot be asked or cannot ask itself.
    private func lacks(_ node: ClusterNode, _ wanted: AgentKnowledge) async -> String? {
        guard await node.state.isReady, let status = try? await node.agent(.status, as: AgentStatus.self),
            status.apiServer?.isConnected != false
        else { return nil }
        var known = AgentKnowledge(
            nodes: Set(status.knownNodes + [node.name]), counts: status.objects, readyEndpoints: status.readyEndpoints)
        var first = wanted
        (first.pods, first.objects) = ([], [:])
        // Addresses and objects are asked for when their numbers are right: the answers are long.
        if let missing = known.missing(of: first) { return missing }
        do {
            let listing = ObjectListing(kinds: Self.comparedKinds.map(\.rawValue))
            known.objects = try await node.agent(.objects, listing)
        } catch {
            return "an answer about its objects: \(error)"
        }
        if !wanted.pods.isEmpty, let entries = try? await node.agent(.ipcache, as: [IPCacheEntry].self) {
            known.pods = Set(entries.filter { $0.prefix == 32 }.map(\.address))
        }
        return known.missing(of: wanted)
    }
}
