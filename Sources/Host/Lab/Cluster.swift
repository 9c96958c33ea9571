import AgentAPI
import DatapathOptions
import Digest
import Fabric
import Foundation
import KubeObjects
import NetAddress
import NodeProtocol
import Readings
import Scenario
import Synchronization

/// A running cluster: nodes on a fabric, pods on nodes.
public final class Cluster: Sendable {
    public let plan: LabPlan
    /// All planned nodes, those that are not there among them (`presentNodes`).
    public let nodes: [ClusterNode]
    let membership: Membership
    public let fabric: Fabric
    /// What answers at the cloud's hosts; nil for a cluster without a cloud around it.
    public let cloud: LabCloud?
    /// The servers of Kubernetes' control plane; nil for a cluster without.
    public let controlPlane: LabControlPlane?
    /// The time that a request may take beyond its own deadline, because the host may be busy.
    let slack: Duration = .seconds(60)
    let own: OwnObjects
    /// The objects of the lab's API server; nil for a lab without a control plane.
    public let server: ServerStore?
    /// Where objects and pods are: in the API server, if there is one.
    var objectStore: any ObjectStore { server ?? own }
    private let values: Mutex<[String: String]>
    let feed = ObjectFeed()
    let announcing = Turns()
    private let planCounter = Mutex<UInt64>(1)
    let toleratedNodes = Mutex<[String: Int]>([:])
    let toleratedAgents = Mutex<[String: Int]>([:])
    /// Nodes whose agents have refused their values.
    private let refusing = Mutex<Set<String>>([])
    private let notices: @Sendable (ClusterNode, NodeNotice) -> Void
    let failureLog = FailureLog()
    /// Whether the API server has what agents need of it. Always false in a lab without a control plane.
    let isServerPrepared = Observed(false)
    /// The agents' tokens for the API server, by node. Secrets.
    let agentTokens = Mutex<[String: String]>([:])
    /// Tells the agents what the API server has.
    let following = Mutex<Task<Void, Never>?>(nil)

    public struct RunningPod: Sendable, Hashable {
        public let planned: PlannedPod
        public let address: String
        /// Whether it has the node's network in place of one of its own, and so no row in the matrix.
        public var isOnHost = false
    }

    /// - Parameters:
    ///   - machines: The machines of the plan's nodes, in the same order.
    ///   - controlPlane: The lab's servers, if it has some.
    ///   - notices: Called with what happens to a node, when it happens.
    public init(
        plan: LabPlan, machines: [any NodeMachine], fabric: Fabric, cloud: LabCloud? = nil,
        controlPlane: LabControlPlane? = nil,
        notices: @escaping @Sendable (String, NodeNotice) -> Void
    ) {
        self.plan = plan
        self.fabric = fabric
        self.cloud = cloud
        self.controlPlane = controlPlane
        values = Mutex(plan.profile.datapathValues)
        kubeProxy = Observed(KubeProxyState(isEnabled: plan.profile.kubeProxy.enabled))
        membership = Membership(plan.profile)
        own = OwnObjects(plan, membership)
        server = controlPlane.map { ServerStore($0.client(), images: plan.profile.images) }
        let router = NoticeRouter()
        nodes = zip(plan.nodes, machines).map { node, machine in
            ClusterNode(plan: node, machine: machine) { router.route($0, $1) }
        }
        self.notices = { notices($0.name, $1) }
        router.target = { [weak self] node, notice in self?.take(node, notice) }
        controlPlane?.onFailure { [failureLog] in failureLog.add($0) }
    }

    public func node(named name: String) -> ClusterNode? { nodes.first { $0.name == name } }

    /// Says that the end of these nodes, and of their agents with them, is intended and no failure of the lab, or takes
    /// it back. Calls are counted, because several faults may intend it at once.
    public func tolerate(_ names: some Sequence<String>, _ on: Bool) {
        Self.count(names, on, in: toleratedNodes)
    }

    /// The same for the end of agents alone.
    public func tolerateAgents(_ names: some Sequence<String>, _ on: Bool) {
        Self.count(names, on, in: toleratedAgents)
    }

    private static func count(_ names: some Sequence<String>, _ on: Bool, in counts: borrowing Mutex<[String: Int]>) {
        counts.withLock { counts in
            for name in names { counts[name, default: 0] += on ? 1 : -1 }
        }
    }

    /// Notes whether a node's agent has refused its values. Such an agent is not started again until other values are
    /// set.
    func refused(_ name: String, _ refuses: Bool) {
        refusing.withLock { refusing in
            guard refuses != refusing.contains(name) else { return }
            if refuses { refusing.insert(name) } else { refusing.remove(name) }
            tolerateAgents([name], refuses)
        }
    }

    private func isTolerated(_ name: String, agent: Bool) -> Bool {
        if membership.standing(of: name) == .absent { return true }
        if toleratedNodes.withLock({ $0[name, default: 0] }) > 0 { return true }
        return agent && toleratedAgents.withLock { $0[name, default: 0] } > 0
    }

    private func take(_ node: ClusterNode, _ notice: NodeNotice) {
        notices(node, notice)
        welcome(node, notice)
        switch notice {
        case .power(let event) where event.power == .stopped && !isTolerated(node.name, agent: false):
            failureLog.add(
                LabError(
                    .nodeFailed, "\(node.name) ended: \(event.reason)", lastLines: node.consoleTail(20)))
        case .agent(let agent)
        where !agent.running && agent.ended != nil && !agent.wasAsked
            && (agent.isOutOfMemory || !isTolerated(node.name, agent: true)):
            let advice = agent.isOutOfMemory ? " (it has \(plan.profile.memoryMiB) MiB: nodes.memoryMiB)" : ""
            failureLog.add(
                LabError(
                    .agentFailed, "the agent of \(node.name) ended: \(agent.ended ?? "")\(advice)",
                    lastLines: agent.lastLines))
        default: break
        }
    }

    func nextPlanIdentifier() -> UInt64 {
        planCounter.withLock { counter in
            defer { counter += 1 }
            return counter
        }
    }

    // MARK: Boot

    /// Powers all nodes on that are there from the start, side by side, and brings their runtimes and agents up.
    public func boot(within deadline: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in presentNodes {
                group.addTask { try await self.bringUp(node, within: deadline) }
            }
            try await group.waitForAll()
        }
        try await announceNodes()
        try await announceObjects()
        try await waitForAgents(within: .seconds(60))
    }

    /// Brings a node from power-on to a ready agent.
    ///
    /// - Parameter booted: Called when its runtime has answered.
    func bringUp(_ node: ClusterNode, within deadline: Duration, booted: @Sendable () -> Void = {}) async throws {
        try await node.boot(within: deadline)
        booted()
        let clock = try await node.clock(within: deadline)
        await feed.forget(node.name)
        await kubeProxy.update { $0.applied[node.name] = nil }
        try await node.call(.configure(try await configuration(of: node)), within: deadline)
        if !isAgentInPod {
            try await startAgent(of: node, within: deadline)
        } else if hasAgent(node) {
            // It had one before its machine ended, which its kubelet starts again.
            try await node.wait(for: "ready", agentReturns: isAgentInPod, within: deadline) { $0.isReady }
        }
        try await node.checkClock(since: clock, within: deadline)
    }

    private func configuration(of node: ClusterNode) async throws -> NodeConfiguration {
        let options = try DatapathOptions(values: datapathValues)
        // With an API server, a node's range is what the operator writes there, or what its Node object says.
        let asksForRange = options.ipam.mode == .kubernetes || server != nil && options.ipam.mode == .clusterPool
        let agent = AgentConfig(
            nodeName: node.name, nodeAddress: node.plan.address, podCIDR: asksForRange ? "" : node.plan.podCIDR,
            clusterPodCIDRs: plan.clusterPodCIDRs, values: datapathValues, options: options,
            apiServer: try await agentAccess(of: node, options))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let kubelet = try await controlPlane?.kubelet(
            of: node.name, address: node.plan.address,
            podCIDR: options.ipam.mode == .kubernetes && plan.profile.writesPodCIDR ? node.plan.podCIDR : "",
            plan: plan, traits: plan.profile.traits(of: node.name).adding(membership.traits(of: node.name)))
        return NodeConfiguration(
            name: node.name,
            interfaces: [
                NodeInterface(
                    name: "eth0", mac: node.plan.mac, address: "\(node.plan.address)/\(plan.prefixLength)",
                    gateway: plan.gateway, mtu: 1500)
            ]
                + node.plan.further.map {
                    NodeInterface(
                        name: $0.name, mac: $0.mac, address: "\($0.address)/\($0.prefixLength)", gateway: nil, mtu: 1500
                    )
                },
            clockNanoseconds: Int64(Date().timeIntervalSince1970 * 1e9),
            agentCommand: ["/usr/bin/datapathd", "run", "--config", "/run/labrun/datapathd.json"],
            agentConfigPath: "/run/labrun/datapathd.json",
            agentConfig: String(decoding: try encoder.encode(agent), as: UTF8.self), agentSocket: agent.socketPath,
            nodePort: LabPlan.nodePort, cloudConflist: plan.cloudConflist(of: node.plan), kubelet: kubelet,
            isAgentInPod: isAgentInPod)
    }

    /// Tells every running agent of all nodes, as node discovery does. Agents with an API server know them from there.
    public func announceNodes() async throws {
        let running = await runningNodes()
        let entries = try await withThrowingTaskGroup(of: NodeEntry.self) { group in
            for node in running {
                group.addTask { try await node.agent(.status, as: AgentStatus.self, within: self.slack).node }
            }
            return try await group.reduce(into: [NodeEntry]()) { $0.append($1) }
        }
        knownEntries.withLock { known in
            for entry in entries { known[entry.name] = entry }
        }
        guard server == nil else { return }
        let all = knownEntries.withLock { $0.values.sorted { $0.name < $1.name } }
        try await onAll(running) { node in
            _ = try await node.agent(.setNodes, NodeSet(nodes: all), as: Acknowledgement.self, within: self.slack)
        }
    }
    /// The names that each DNS server was last given, by the server's endpoint id.
    let servedNames = Observed([String: String]())
    let kubeProxy: Observed<KubeProxyState>
    let knownEntries = Mutex<[String: NodeEntry]>([:])

    func runningNodes() async -> [ClusterNode] {
        var running: [ClusterNode] = []
        for node in nodes where await node.state.isReady { running.append(node) }
        return running
    }

    // MARK: Pods

    /// Starts pods and then tells every agent of them. A node starts its pods one after the other; nodes do so side by
    /// side.
    ///
    /// - Parameter keepsWaiting: Whether a pod that its node's network plugin refuses waits (`waitingPods`) while the
    ///   others go on. Otherwise the refusal is a failure of the lab.
    public func start(_ planned: [PlannedPod], keepsWaiting: Bool = false) async throws {
        let byNode = Dictionary(grouping: planned) { $0.node }
        try await withThrowingTaskGroup(of: [RunningPod].self) { group in
            for (name, planned) in byNode {
                guard let node = node(named: name) else { throw LabError(.plan, "no node \(name)") }
                group.addTask {
                    var started: [RunningPod] = []
                    for pod in planned {
                        do {
                            started.append(try await self.create(pod, on: node))
                            self.noteFirstPod(on: name)
                            self.own.waiting.withLock { $0[pod.endpointID] = nil }
                        } catch let refusal as PodRefusal {
                            guard keepsWaiting else { throw refusal.failure }
                            self.own.waiting.withLock {
                                $0[pod.endpointID] = WaitingPod(planned: pod, reason: refusal.reason)
                            }
                        }
                    }
                    return started
                }
            }
            for try await some in group {
                await own.pods.update { all in
                    all.removeAll { old in some.contains { $0.planned.endpointID == old.planned.endpointID } }
                    all += some
                }
            }
        }
        try await announceEndpoints()
        try await announceObjects()
    }

    private func create(_ pod: PlannedPod, on node: ClusterNode) async throws -> RunningPod {
        let dns = pod.programs.isEmpty ? nil : ClusterDNS(objects: await objects, upstream: plan.dnsAddress)
        let spec = PodSpec(
            namespace: pod.namespace, name: pod.name, uid: Self.uid(of: pod), labels: pod.labels, port: pod.port,
            containers: pod.programs.map {
                ContainerSpec(name: $0.name, command: $0.command, environment: $0.environment)
            }, restartPolicy: RestartPolicy(rawValue: pod.restartPolicy) ?? .always,
            resolver: dns?.resolver(namespace: pod.namespace) ?? "",
            files: pod.servesDNS ? dns?.files ?? [:] : [:])
        let reply = try await node.call(.createPod(spec), within: slack)
        guard case .pod(let status) = reply, let address = status.address, status.phase == "Running" else {
            var reason = "\(reply)"
            if case .pod(let status) = reply { reason = status.message ?? status.phase }
            throw PodRefusal(endpointID: pod.endpointID, node: node.name, reason: reason)
        }
        if let dns, pod.servesDNS {
            let hosts = dns.hosts
            await servedNames.update { $0[pod.endpointID] = hosts }
        }
        return RunningPod(planned: pod, address: address)
    }

    /// The pod's uid. It is the same for every pod of that name, so that its interface has the same name on the node
    /// after a restart.
    private static func uid(of pod: PlannedPod) -> String {
        let digits = Array(SHA256Digest.hex(of: Array("\(pod.endpointID)@\(pod.node)".utf8)).prefix(32))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    /// Deletes pods. Services lose them as backends first, so that no new connection comes to them.
    public func stop(_ identifiers: Set<String>) async throws {
        let leaving = await own.pods.value.map(\.planned).filter { identifiers.contains($0.endpointID) }
        let keys = leaving.map { ObjectKey(namespace: $0.namespace, name: $0.name) }
        own.terminatingPods.withLock { $0.formUnion(keys) }
        defer { own.terminatingPods.withLock { $0.subtract(keys) } }
        try await announceObjects()
        own.waiting.withLock { waiting in for id in identifiers { waiting[id] = nil } }
        for pod in await own.pods.value where identifiers.contains(pod.planned.endpointID) {
            guard let node = node(named: pod.planned.node), await node.state.power == .running else { continue }
            try await node.call(
                .deletePod(pod.planned.reference), within: slack)
        }
        await own.pods.update { all in all.removeAll { identifiers.contains($0.planned.endpointID) } }
        try await announceEndpoints()
        try await announceObjects()
    }

    /// Tells every running agent each pod's address, identity and node, as the cluster's store does. Agents with an API
    /// server know them from there.
    func announceEndpoints() async throws {
        guard server == nil else { return }
        let running = await runningNodes()
        let entries = try await withThrowingTaskGroup(of: [IPCacheEntry].self) { group in
            for node in running {
                group.addTask {
                    let endpoints = try await node.agent(.endpoints, as: [AgentEndpoint].self, within: self.slack)
                    return endpoints.map {
                        IPCacheEntry(
                            address: $0.address, prefix: 32, identity: $0.identity, tunnelEndpoint: node.plan.address,
                            labels: $0.identityLabels)
                    }
                }
            }
            return try await group.reduce(into: [IPCacheEntry]()) { $0 += $1 }
        }
        let all = entries.sorted { $0.address < $1.address }
        try await onAll(running) { node in
            _ = try await node.agent(
                .setIPCache, IPCacheSet(entries: all), as: Acknowledgement.self, within: self.slack)
        }
    }

    public var runningPods: [RunningPod] { get async { await objectStore.runningPods } }

    /// The endpoints that can be in a matrix: pods by name, then nodes, then services.
    public var endpoints: [Endpoint] {
        get async {
            // The pods of a node that has left are gone with it, whatever an API server still has of them.
            let pods = await runningPods.filter { !$0.isOnHost && isPresent($0.planned.node) }.map { pod in
                Endpoint(
                    id: pod.planned.endpointID, kind: .pod, node: pod.planned.node, namespace: pod.planned.namespace,
                    address: pod.address, port: pod.planned.port, labels: pod.planned.labels,
                    ownName: pod.planned.ownName)
            }
            let present = plan.nodes.filter { isPresent($0.name) }
            let nodes = present.map { node in
                Endpoint(
                    id: "node/\(node.name)", kind: .node, node: node.name, namespace: nil, address: node.address,
                    port: LabPlan.nodePort, labels: ["kubernetes.io/hostname": node.name])
            }
            let services = ServiceEndpoints.endpoints(
                of: objectStore.services, nodes: present.map { ($0.name, $0.address) })
            return pods.sorted { ($0.node ?? "", $0.id) < ($1.node ?? "", $1.id) } + nodes + services
                + (cloud == nil ? [] : plan.profile.cloudEndpoints)
        }
    }

    /// The source addresses that packets of each node's endpoints may have.
    var senders: [String: SenderAddresses] {
        Dictionary(
            uniqueKeysWithValues: plan.nodes.map {
                ($0.name, SenderAddresses(node: [$0.address] + $0.further.map(\.address), public: [$0.publicAddress]))
            } + [
                // The internet is one host with several addresses, and chooses one of them.
                (CloudLayout.internetHost, SenderAddresses(node: CloudLayout.internetAddresses, public: []))
            ])
    }

    // MARK: Power

    /// Boots a node again after it has ended, and makes its pods anew.
    public func restart(_ node: ClusterNode, within deadline: Duration) async throws {
        try await bringUp(node, within: deadline)
        try await announceNodes()
        // With a control plane, the node's kubelet looks after its pods.
        guard server == nil else {
            try await waitForAgents(within: .seconds(30))
            return
        }
        try await start(await own.pods.value.map(\.planned).filter { $0.node == node.name })
    }

    /// Waits until every node that runs is ready.
    public func waitUntilReady(within deadline: Duration) async throws {
        for node in nodes where await node.state.power == .running && hasAgent(node) {
            try await node.wait(for: "ready", agentReturns: isAgentInPod, within: deadline) { $0.isReady }
        }
    }

    /// Changes datapath values (`datapath.values.NAME`) on every node: agents are started again, once, with all of
    /// them. `nodes.instanceType` makes the nodes' machines ones of another type.
    /// - Throws: `LabError` `.plan` for an unknown path, and for values that contradict each other.
    public func set(_ changes: [String: String]) async throws {
        var changes = changes
        if let type = changes.removeValue(forKey: Action.instanceType) {
            try await resize(to: type)
            if changes.isEmpty { return }
        }
        if let enabled = changes.removeValue(forKey: Action.kubeProxy) {
            try await setKubeProxy(enabled == "true")
            if changes.isEmpty { return }
        }
        let prefix = "datapath.values."
        var named: [String: String] = [:]
        for (path, value) in changes {
            guard path.hasPrefix(prefix) else {
                throw LabError(.plan, "cannot set \(path): only \(prefix)NAME can be set")
            }
            named[String(path.dropFirst(prefix.count))] = value
        }
        values.withLock { $0.merge(named) { $1 } }
        var powered: [ClusterNode] = []
        for node in nodes where await node.state.answers { powered.append(node) }
        let names = powered.map(\.name)
        tolerateAgents(names, true)
        defer { tolerateAgents(names, false) }
        try await onAll(powered) { node in
            if !self.isAgentInPod, await node.state.agent?.running == true {
                try await node.operate(.endAgent(signal: SIGTERM), within: self.slack)
            }
            try await node.call(.configure(try await self.configuration(of: node)), within: self.slack)
            if !self.isAgentInPod { try await self.startAgentOrLetItRefuse(of: node) }
        }
        if isAgentInPod { try await replaceAgents(of: powered) }
        try await announceNodes()
        try await announceEndpoints()
        try await announceObjects()
        try await waitForAgents(within: .seconds(30))
    }

    /// The UDP port of the overlay; 0 with native routing.
    public var tunnelPort: UInt16 {
        guard let options = try? DatapathOptions(values: datapathValues), options.routingMode == .tunnel else {
            return 0
        }
        return options.tunnelPort != 0 ? options.tunnelPort : options.tunnelProtocol.standardPort
    }

    /// The datapath values in force, by name.
    public var datapathValues: [String: String] { values.withLock { $0 } }

    func onAll(
        _ nodes: [ClusterNode], _ body: @escaping @Sendable (ClusterNode) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes { group.addTask { try await body(node) } }
            try await group.waitForAll()
        }
    }

    public func close() async {
        failureLog.finish()
        following.withLock { $0?.cancel() }
        membership.close()
        await server?.close()
        for node in nodes { await node.close() }
    }
}

/// Hands notices to a cluster that is still being made.
private final class NoticeRouter: Sendable {
    private let handler = Mutex<(@Sendable (ClusterNode, NodeNotice) -> Void)?>(nil)
    var target: (@Sendable (ClusterNode, NodeNotice) -> Void)? {
        get { handler.withLock { $0 } }
        set { handler.withLock { $0 = newValue } }
    }
    func route(_ node: ClusterNode, _ notice: NodeNotice) { target?(node, notice) }
}
