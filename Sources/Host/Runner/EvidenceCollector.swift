import Observations
import Readings
import AgentAPI
import Diagnosis
import Foundation
import KubeProxy
import Lab
import LinuxKernel
import RunEvents

/// The place in each recording at which a round begins.
struct RoundMark: Sendable {
    let fabric: MonotonicTime
    /// The position in each agent's event stream.
    let agents: [String: EventMark]
    /// The counters of each node's kube-proxy rules, by table and rule. A node without an entry could not be read.
    var kubeProxyRules: [String: [String: UInt64]] = [:]
}

/// A position in an agent's event stream.
struct EventMark: Sendable {
    let sequence: UInt64
    /// The number of events that were overwritten before they were read.
    let lost: UInt64
}

/// Turns the lab's recordings into evidence. It knows neither faults nor expectations.
struct EvidenceCollector: Sendable {
    let cluster: Cluster
    /// Says whether nodes have the programs that read their netfilter.
    let readsNetfilter: Bool
    /// The most events that one agent is asked for.
    static let eventLimit = 20_000
    /// The most addresses that are followed through the agents' events.
    static let addressLimit = 48

    func mark() async -> RoundMark {
        let agents = await withTaskGroup(of: (String, EventMark?).self) { group in
            for node in cluster.presentNodes {
                group.addTask {
                    guard await node.state.answers else { return (node.name, nil) }
                    let batch = try? await node.agent(
                        .events, EventRequest(since: .max, limit: 0), as: EventBatch.self, within: .seconds(3))
                    return (node.name, batch.map { EventMark(sequence: $0.next, lost: $0.lost) })
                }
            }
            return await group.reduce(into: [String: EventMark]()) { all, pair in
                if let mark = pair.1 { all[pair.0] = mark }
            }
        }
        let rules = await netfilter().mapValues { rules in
            Dictionary(rules.map { ("\($0.table) \($0.text)", $0.packets) }) { $0 + $1 }
        }
        return RoundMark(fabric: MonotonicTime.now, agents: agents, kubeProxyRules: rules)
    }

    /// Reads kube-proxy's rules of every node that can be asked. It reads none in a lab without the programs for it.
    private func netfilter() async -> [String: [SavedRules.Rule]] {
        guard readsNetfilter else { return [:] }
        return await withTaskGroup(of: (String, [SavedRules.Rule]?).self) { group in
            for node in cluster.presentNodes {
                group.addTask {
                    guard await node.state.answers else { return (node.name, nil) }
                    return (node.name, try? await cluster.netfilterRules(of: node).kubeProxys)
                }
            }
            return await group.reduce(into: [:]) { all, part in all[part.0] = part.1 }
        }
    }

    /// Adds to the nodes' own readings what kube-proxy's rules have matched since the mark.
    private func withRules(_ readings: [NodeReading], since mark: RoundMark) async -> [NodeReading] {
        let rules = await netfilter()
        var result = readings
        for index in result.indices {
            let name = result[index].name
            guard let found = rules[name] else { continue }
            let before = mark.kubeProxyRules[name]
            result[index].kubeProxyRuns = await cluster.runsKubeProxy(on: name)
            result[index].kubeProxyRules = found.map { rule in
                NetfilterRuleReading(
                    table: rule.table, chain: rule.chain, rule: rule.text, target: rule.target,
                    destination: rule.destination, comment: rule.comment,
                    grew: before.map { rule.packets &- min(rule.packets, $0["\(rule.table) \(rule.text)"] ?? 0) })
            }
        }
        return result
    }

    func nodes() async -> [NodeReading] {
        await withTaskGroup(of: NodeReading.self) { group in
            for node in cluster.presentNodes { group.addTask { await reading(of: node) } }
            return await group.reduce(into: [NodeReading]()) { $0.append($1) }.sorted {
                $0.name.compare($1.name, options: .numeric) == .orderedAscending
            }
        }
    }

    /// Returns all pods that should exist: those that were started, and those that wait, with the reason.
    func pods() async -> [PodReading] {
        // An API server has the pods of a node that has left for some time yet.
        let running = await cluster.runningPods.map(\.planned).filter { cluster.isPresent($0.node) }.map {
            PodReading(id: $0.endpointID, node: $0.node, labels: $0.labels, reason: nil)
        }
        let waiting = cluster.waitingPods.filter { $0.planned.node.isEmpty || cluster.isPresent($0.planned.node) }
        let warnings = waiting.isEmpty ? [:] : await warnings()
        return running
            + waiting.map { pod in
                // A network plugin's words are in an event, not in the pod.
                let reason = [
                    pod.reason, warnings["\(pod.planned.namespace)/\(pod.planned.ownName ?? pod.planned.name)"],
                ]
                return PodReading(
                    id: pod.planned.endpointID, node: pod.planned.node, labels: pod.planned.labels,
                    reason: reason.compactMap { $0 }.joined(separator: "; "))
            }
    }

    private func reading(of node: ClusterNode) async -> NodeReading {
        let power: NodeReading.Power
        switch try? await node.machine.power() {
        case .running?: power = .running
        case .paused?: power = .paused
        case .off?, .stopped?: power = .stopped
        case nil: power = .unknown
        }
        let snapshot = power == .running ? await cluster.snapshot(of: node) : nil
        let isDown = snapshot?.agentRunning == false
        let status =
            snapshot?.agentRunning == true
            ? try? await node.agent(.status, as: AgentStatus.self, within: .seconds(3)) : nil
        let agent = await node.state
        var reading = NodeReading(
            name: node.name, address: node.plan.address, podCIDR: node.plan.podCIDR,
            tunnelPort: cluster.tunnelPort == 0 ? nil : cluster.tunnelPort,
            power: power, answers: snapshot != nil,
            carrier: snapshot.flatMap { ClusterNode.carrier(in: $0) }, agentRunning: snapshot?.agentRunning,
            impairments: snapshot?.qdiscs.filter { $0.contains("netem") } ?? [],
            agentEnded: isDown ? agent.agent?.ended : nil, agentLog: isDown ? agent.agentLines : [],
            datapathDevices: status.map { Self.egressDevices(in: $0.programs) },
            routerAddress: status?.node.routerAddress)
        reading.tracing = status?.tracing.map { .init(points: $0.points, silent: $0.silent) }
        reading.flowCachePackets = status?.flowCachePackets
        reading.hasConflist = snapshot?.hasConflist
        reading.fallbacks = status?.fallbacks
        if let names = status?.endpointsWithoutVeth { reading.unseenEndpoints = await unseen(names, of: node) }
        reading.interfaceAddresses = status?.cloudInterfaces.map {
            .init(
                instanceType: $0.instanceType, interfaces: $0.interfaces.count,
                inUse: $0.interfaces.reduce(0) { $0 + $1.addressesInUse },
                total: $0.interfaces.reduce(0) { $0 + $1.addressesTotal }, limit: $0.limit)
        }
        reading.apiServer = status?.apiServer.map {
            .init(
                server: $0.server, isConnected: $0.isConnected, seconds: Double($0.sinceMillis) / 1000,
                reason: $0.reason)
        }
        return reading
    }

    /// Returns what each node forwarded since it booted. Nodes that cannot be asked are left out.
    func flowCaches() async -> [String: FlowCacheCount] {
        await withTaskGroup(of: (String, FlowCacheCount?).self) { group in
            for node in cluster.presentNodes {
                group.addTask {
                    guard await node.state.answers else { return (node.name, nil) }
                    let status = try? await node.agent(.status, as: AgentStatus.self, within: .seconds(3))
                    guard let served = status?.flowCachePackets, let forwarded = status?.forwardedPackets else {
                        return (node.name, nil)
                    }
                    return (node.name, FlowCacheCount(served: served, forwarded: forwarded))
                }
            }
            return await group.reduce(into: [:]) { all, part in all[part.0] = part.1 }
        }
    }

    /// Returns how agents stand with their API server. Nodes that cannot be asked, or have none, are left out.
    func serverConnections() async -> [String: ServerConnection] {
        await withTaskGroup(of: (String, ServerConnection?).self) { group in
            for node in cluster.nodes {
                group.addTask {
                    guard await node.state.answers else { return (node.name, nil) }
                    let status = try? await node.agent(.status, as: AgentStatus.self, within: .seconds(3))
                    return (
                        node.name,
                        status?.apiServer.map {
                            ServerConnection(
                                server: $0.server, isConnected: $0.isConnected, reason: $0.reason,
                                watches: $0.watches, events: $0.events)
                        }
                    )
                }
            }
            return await group.reduce(into: [:]) { all, part in all[part.0] = part.1 }
        }
    }

    /// Parses lines such as `eth0 egress: to_netdev id 12`.
    static func egressDevices(in programs: [String]) -> [String] {
        programs.compactMap { line in
            let words = line.split(separator: " ")
            return words.count > 2 && words[1] == "egress:" && words[2] == "to_netdev" ? String(words[0]) : nil
        }
    }

    /// Returns everything that was read about a round, and nothing else.
    func evidence(of observation: Observation, since mark: RoundMark) async -> Evidence {
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { a, _ in a }
        let probes = observation.measurement.probes
        let routers = Dictionary(observation.nodes.map { ($0.name, $0.routerAddress) }) { first, _ in first }
        var evidence = Evidence(
            endpoints: observation.endpoints,
            probes: probes.map {
                ProbeReading($0, endpoints: endpoints, senders: observation.measurement.senders, routers: routers)
            }, wire: observation.wire, flowLog: observation.flowLog,
            recordingIsComplete: observation.recordingIsComplete)
        evidence.backends = await cluster.backends(of: observation.endpoints).mapValues { $0.sorted() }
        // Events come first, because agents overwrite them in time.
        await addEvents(to: &evidence, since: mark, failing: probes.filter { !$0.observed.isServed })
        for node in observation.nodes {
            evidence.traceGaps[node.name] = Self.traceGap(read: evidence.traceGaps[node.name], of: node)
        }
        evidence.nodes = await withRules(observation.nodes, since: mark)
        evidence.securityGroups = await securityGroups()
        evidence.pods = observation.pods
        evidence.controlPlane = await controlPlane(asked: observation.nodes)
        evidence.cloud = await cloud(since: mark.fabric)
        if observation.endpoints.contains(where: { $0.kind == .service }) {
            evidence.serviceBackends = await cluster.serviceBackends
        }
        return evidence
    }

    /// Adds the agents' events since the mark about the addresses of failed probes and of their services' backends:
    /// every drop, and the traces of the first `addressLimit` addresses.
    private func addEvents(
        to evidence: inout Evidence, since mark: RoundMark, failing: [ProbeMeasurement]
    ) async {
        let byID = Dictionary(evidence.endpoints.map { ($0.id, $0.address) }) { a, _ in a }
        var addresses: [String] = []
        var known: Set<String> = []
        for id in failing.flatMap({ [$0.key.from, $0.key.to] }) {
            if let address = byID[id], known.insert(address).inserted { addresses.append(address) }
        }
        for address in failing.flatMap({ evidence.backends[$0.key.to] ?? [] }) where known.insert(address).inserted {
            addresses.append(address)
        }
        guard !addresses.isEmpty else { return }
        let all = addresses
        let traced = Array(all.prefix(Self.addressLimit))
        let told = await withTaskGroup(of: AgentEvents.self, returning: [AgentEvents].self) { group in
            for node in cluster.presentNodes {
                group.addTask { await events(of: node, since: mark, addresses: all, traced: traced) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        evidence.datapath = told.flatMap(\.events)
        for node in told {
            evidence.datapathGaps[node.name] = node.gap
            evidence.traceGaps[node.name] = node.traceGap
        }
        evidence.tracedAddresses = traced.count < all.count ? Set(traced) : nil
    }

    /// Returns why a node's traces of a round are not complete, or nil if they are.
    ///
    /// - Parameters:
    ///   - read: Why those that there were could not all be read.
    ///   - node: The node as it was read in that round.
    static func traceGap(read: String?, of node: NodeReading) -> String? {
        guard let tracing = node.tracing else { return read ?? "\(node.name) did not say what it traces" }
        guard !tracing.silent.isEmpty else { return read }
        let off =
            tracing.points.isEmpty
            ? "traces are switched off on \(node.name)"
            : "\(node.name) does not trace \(tracing.silent.joined(separator: ", "))"
        return [off, read].compactMap { $0 }.joined(separator: "; ")
    }

    /// What a node's agent told of a round, and why drops or traces could not all be read.
    private struct AgentEvents: Sendable {
        let name: String
        var events: [PacketEvent] = []
        var gap: String?
        var traceGap: String?
    }

    private func events(
        of node: ClusterNode, since mark: RoundMark, addresses: [String], traced: [String]
    ) async -> AgentEvents {
        // Without a mark, this round's events cannot be told from earlier ones.
        guard let start = mark.agents[node.name] else {
            return AgentEvents(name: node.name, gap: "the agent could not be asked before the round")
        }
        let state = await node.state
        guard state.answers else {
            return AgentEvents(name: node.name, gap: "the agent could not be asked: \(state.description)")
        }
        let drops = await events(of: node, since: start, addresses: addresses, dropsOnly: true)
        let traces = await events(of: node, since: start, addresses: traced, dropsOnly: false)
        return AgentEvents(
            name: node.name, events: drops.events + traces.events.filter { !$0.isDrop }, gap: drops.gap,
            traceGap: traces.gap)
    }

    /// Reads an agent's events page by page. A page that fails ends the reading.
    private func events(
        of node: ClusterNode, since start: EventMark, addresses: [String], dropsOnly: Bool
    ) async -> (events: [PacketEvent], gap: String?) {
        var events: [PacketEvent] = []
        var next = start.sequence
        var lost = start.lost
        while events.count < Self.eventLimit {
            let request = EventRequest(since: next, limit: 2000, addresses: addresses, dropsOnly: dropsOnly)
            do {
                let batch = try await node.agent(.events, request, as: EventBatch.self, within: .seconds(10))
                lost = batch.lost
                guard batch.next > next else {
                    let missed = lost > start.lost ? "\(lost - start.lost) events were overwritten unread" : nil
                    return (events, missed)
                }
                events += batch.events.map { $0.told(by: node.name) }
                next = batch.next
            } catch {
                return (events, "\(error)")
            }
        }
        return (events, "more than \(Self.eventLimit) events")
    }

    func health(deadline: Duration) async -> (records: [HealthRecord], missing: [String: String]) {
        var records: [HealthRecord] = []
        var missing: [String: String] = [:]
        for (name, result) in await cluster.health(deadline: deadline) {
            switch result {
            case .success(let report): records.append(HealthRecord(report, node: name))
            case .failure(let error): missing[name] = "\(error)"
            }
        }
        return (records.sorted { $0.node.compare($1.node, options: .numeric) == .orderedAscending }, missing)
    }
}

extension HealthRecord {
    init(_ report: HealthReport, node: String) {
        self.init(
            node: node, reachable: report.reachable, total: report.total,
            peers: report.peers.map {
                Peer(name: $0.name, address: $0.address, node: $0.nodeReachable, endpoint: $0.endpointReachable)
            })
    }
}
