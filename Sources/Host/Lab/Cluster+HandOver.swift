import AgentAPI
import KubeObjects
import KubeProxy
import NetAddress
import NodeProtocol

extension Cluster {
    /// Yields the unexpected ends of nodes and agents, those that nobody has seen first. Only one stream is alive at a
    /// time.
    public func failures() -> AsyncStream<LabError> { failureLog.watch() }

    /// The unexpected ends of nodes and agents while nobody watched `failures`.
    public var unseenFailures: [LabError] { failureLog.unseen }

    /// Removes everything that a scenario brought into the cluster: pods and objects. The nodes stay.
    public func clear() async throws {
        let waiting = waitingPods.map(\.planned.endpointID)
        try await stop(Set(await runningPods.map(\.planned.endpointID) + waiting))
        // Addresses and ports of services are given from the beginning again.
        own.store.withLock { $0 = ClusterStore(serviceRange: $0.serviceRange) }
        try await announceObjects()
        try await announceEndpoints()
        await servedNames.update { $0 = [:] }
        for node in nodes { await node.forgetPods() }
    }

    /// The nodes and agents whose end is still intended.
    public var tolerated: [String] {
        let agents = toleratedAgents.withLock { $0 }.filter { $0.value != 0 }.keys
        return Set(toleratedNodes.withLock { $0 }.filter { $0.value != 0 }.keys).union(agents)
            .union(controlPlane?.tolerated ?? []).sorted()
    }

    /// Reads the clocks of all nodes.
    public func clocks(within deadline: Duration) async throws -> NodeClocks {
        try await withThrowingTaskGroup(of: (String, Int, NodeClock).self) { group in
            for node in presentNodes {
                group.addTask { (node.name, await node.state.boots, try await node.clock(within: deadline)) }
            }
            return try await group.reduce(into: NodeClocks()) { $0.readings[$1.0] = ($1.1, $1.2) }
        }
    }
}

/// A reading of all nodes' clocks.
public struct NodeClocks: Sendable {
    var readings: [String: (boot: Int, clock: NodeClock)] = [:]

    public init() {}

    /// Names the nodes whose clock has not kept up with the host's since an earlier reading. A node that has booted in
    /// the meantime was checked then.
    public func wrong(since before: NodeClocks) -> [String] {
        readings.sorted { $0.key < $1.key }.compactMap { name, now in
            guard let old = before.readings[name], old.boot == now.boot, let rate = now.clock.rate(since: old.clock)
            else { return nil }
            return "\(name)'s clock runs \((rate * 100).rounded() / 100) times as fast as this machine's"
        }
    }
}

extension Cluster {
    /// Reads back what an agent keeps for pods and objects, as lines by what they describe. In a lab without pods, two
    /// readings are equal unless something is left.
    ///
    /// - Parameter readsNetfilter: Whether nodes have the programs that read their netfilter.
    public func keptState(readsNetfilter: Bool) async throws -> LabSnapshot {
        try await withThrowingTaskGroup(of: [String: [String]].self) { group in
            for node in presentNodes {
                group.addTask {
                    var state = try await self.agentState(of: node)
                    guard readsNetfilter else { return state }
                    let rules = try await self.netfilterRules(of: node).rules.map { "\($0.table) \($0.text)" }
                    state["\(node.name) netfilter"] = rules.sorted()
                    return state
                }
            }
            return LabSnapshot(state: try await group.reduce(into: [:]) { $0.merge($1) { $1 } })
        }
    }

    private func agentState(of node: ClusterNode) async throws -> [String: [String]] {
        let status = try await node.agent(.status, as: AgentStatus.self)
        let endpoints = try await node.agent(.endpoints, as: [AgentEndpoint].self)
        let own = Set(
            knownEntries.withLock { $0.values.flatMap { [$0.address, $0.routerAddress, $0.healthAddress] } })
        let services = try await node.agent(.loadBalancing, as: LoadBalancingSample.self)
        let policies = try await node.agent(.policies, as: [PolicySample].self)
        let ipcache = try await node.agent(.ipcache, as: [IPCacheEntry].self)
        let names = try await node.agent(.names, as: [NameSample].self)
        let connections = try await node.agent(.connections, as: [ConnectionSample].self)
        let mappings = try await node.agent(.nat, as: NATListing.self).mappings
        var state: [String: [String]] = [:]
        state["problems"] = status.problems + status.objectProblems + status.fallbacks
        state["objects"] = status.objects.map { "\($0.key) \($0.value)" }
        state["pool"] = ["\(status.addressesInUse) addresses in use"]
        state["interfaces"] = status.cloudInterfaces.map { ["\($0.interfaces.count) of the cloud"] } ?? []
        state["endpoints"] = endpoints.map {
            "\($0.namespace)/\($0.name) \($0.address) identity \($0.identity) \($0.state)"
        }
        state["ipcache"] = ipcache.map {
            "\($0.address)/\($0.prefix) identity \($0.identity) via \($0.tunnelEndpoint ?? "-")"
        }
        state["policies"] = policies.map { "\($0.direction) \($0.verdict) \($0.identity) \($0.rule ?? "")" }
        state["names"] = names.map { "\($0.name) \($0.address)" }
        state["services"] = services.frontends.map { "\($0.frontend) of \($0.namespace ?? "")/\($0.name ?? "")" }
        state["backends"] = services.draining.map { "\($0.address) is draining" }
        // What nodes and health endpoints exchange goes on all the time, and is nobody's.
        state["connections"] = connections.filter { !own.contains($0.source) || !own.contains($0.destination) }
            .map { "\($0.direction) \($0.source) to \($0.destination):\($0.destinationPort) \($0.state)" }
        state["masqueraded"] =
            mappings.filter { !$0.isHost || !own.contains($0.source) || !own.contains($0.destination) }
            .map { "\($0.direction) \($0.source) to \($0.destination):\($0.destinationPort)" }
        return Dictionary(uniqueKeysWithValues: state.map { ("\(node.name) \($0.key)", $0.value.sorted()) })
    }
}
