import Diagnosis
import Observations
import RunEvents
import ScenarioReading
import Shapes

/// The state of nodes, and what their agents and kernels report.
package struct NodeExpectation: Codable, Sendable {
    /// The nodes, or all nodes if it is empty.
    package var nodes: [String]
    package var state: String
    /// A part of what the agent's status names as given up because the kernel lacks it. It is nil if it does not
    /// matter.
    package var says: String?
    /// The number of addresses for pods that the cloud's interfaces have, in use or not. It is nil if it does not
    /// matter.
    package var interfaceAddresses: Int?
    /// What there must be of kube-proxy. It is nil if it does not matter.
    package var kubeProxy: KubeProxy?
    /// Whether the node's flow caches must have served packets since the step began. It is nil if it does not matter.
    package var flowCache: FlowCache?

    package enum FlowCache: String, Codable, Sendable, CaseIterable { case used, unused }

    package enum KubeProxy: String, Codable, Sendable, CaseIterable {
        /// iptables has no chain or rule of kube-proxy's, and no process has its name.
        case absent = "none"
        /// There are rules of kube-proxy's, whoever keeps them up to date.
        case rules
    }
}

// MARK: Shape

extension NodeExpectation: Expectation {
    package static let field = Field(
        "nodes",
        .list(
            .object(
                ObjectShape(
                    name: "node expectation", help: "State of nodes.",
                    fields: [
                        Field("nodes", .nodes(orNone: false), required: true, "Nodes."),
                        Field(
                            "state", .choice(["ready", "crashed", "paused", "agent-down", "agent-restarted"]),
                            required: true, "Their state."),
                        Field("says", .text(.nonEmpty), "What the agent's status must name among its fallbacks."),
                        Field(
                            "interfaceAddresses", .integer(0...1000),
                            "How many addresses for pods the cloud's interfaces have, in use or not, "
                                + "by the agent's status."
                        ),
                        Field(
                            "kubeProxy", .choice(KubeProxy.allCases.map(\.rawValue)),
                            "What there is of kube-proxy: neither chain nor rule nor process, or rules."),
                        Field(
                            "flowCache", .choice(FlowCache.allCases.map(\.rawValue)),
                            "Whether the datapath's flow caches served packets since the step began. Packets that are "
                                + "traced take no cache."),
                    ])), atLeast: 1), "States of nodes.")

    package var needs: Set<ObservationNeed> {
        Set(
            (kubeProxy == nil ? [] : [.kubeProxy]) + (flowCache == nil ? [] : [.flowCache])
                + (flowCache == .used ? [.servedStreams] : []))
    }
}

// MARK: Reading

extension NodeExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [NodeExpectation] {
        entry.value.items.map { item in
            NodeExpectation(
                nodes: reader.nodeNames(item["nodes"]), state: item["state"]?.text ?? "", says: item["says"]?.text,
                interfaceAddresses: item["interfaceAddresses"]?.integer,
                kubeProxy: item["kubeProxy"]?.text.flatMap(KubeProxy.init(rawValue:)),
                flowCache: item["flowCache"]?.text.flatMap(FlowCache.init(rawValue:)))
        }
    }
}

// MARK: Words

extension NodeExpectation {
    /// For example `node2 is crashed`.
    package var words: String {
        let text =
            "\(nodes.places()) is \(state)"
            + (interfaceAddresses.map { ", with \($0) addresses of the cloud's interfaces" } ?? "")
            + (flowCache.map { ", its flow cache \($0.rawValue)" } ?? "")
        switch kubeProxy {
        case .absent?: return text + ", with nothing of kube-proxy"
        case .rules?: return text + ", with kube-proxy's rules"
        case nil: return text
        }
    }
}

// MARK: Judgement

extension NodeExpectation {
    /// Returns a result for each node and each part that is given. A step that says nothing of a node expects its agent
    /// not to end by itself. What the agent left in the kernel may go on forwarding, so nothing else would show it.
    package static func judge(
        _ expected: [NodeExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        let named = expected.map { expected in
            (expected, names: observation.names(of: expected.nodes))
        }
        let parts = named.flatMap { expected, names in names.flatMap { expected.judge($0, observation) } }
        let proxies = named.flatMap { expected, names in names.compactMap { expected.judgeKubeProxy($0, observation) } }
        let unnamed = observation.nodes.filter { node in !named.contains { $0.names.contains(node.name) } }
        return parts + proxies + unnamed.compactMap(Self.judgeUnnamed)
    }

    /// Returns a result only if the node's agent ended by itself, with a status other than 0.
    private static func judgeUnnamed(_ node: NodeReading) -> ExpectationResult? {
        guard node.agentRunning == false, let ended = node.agentEnded, ended.hasPrefix("exit "), ended != "exit 0"
        else {
            return nil
        }
        let last = node.agentLog.last.map { ": \($0)" } ?? ""
        return ExpectationResult(
            "agent of \(node.name) runs", .unmet,
            "it ended by itself, and no entry of nodes expects it: \(ended)\(last)")
    }

    private func judge(_ name: String, _ observation: Observation) -> [ExpectationResult] {
        let node = observation.nodes.first { $0.name == name }
        return [judgeState(name, node, starts: observation.agentRestarts[name] ?? 0)]
            + (says.map { [judgeFallbacks(name, node, $0)] } ?? [])
            + (interfaceAddresses.map { [judgeAddresses(name, node, $0)] } ?? [])
            + (flowCache.map { [judgeFlowCache(name, $0, observation)] } ?? [])
    }

    private func judgeFlowCache(_ name: String, _ wanted: FlowCache, _ observation: Observation) -> ExpectationResult {
        let title = "flow cache of \(name) is \(wanted.rawValue)"
        guard let count = observation.flowCaches[name] else {
            return ExpectationResult(title, .inconclusive, "the agent of \(name) could not be asked for its counts")
        }
        let words = "it served \(count.served) packets since the step began"
        switch wanted {
        case .unused where count.forwarded == 0:
            // A node that forwards nothing has an unused cache whatever it would do with a packet.
            return ExpectationResult(title, .inconclusive, "\(name) forwarded no packet since the step began")
        case .unused:
            return ExpectationResult(title, count.served == 0 ? .met : .unmet, words)
        case .used:
            guard let own = observation.servedStreams[name] else {
                return ExpectationResult(title, count.served > 0 ? .met : .unmet, words)
            }
            return ExpectationResult(
                title, own.areServed ? .met : .unmet,
                "it served \(own.packets) packets of \(own.streams) streams before anything else was sent")
        }
    }

    /// - Parameter starts: How often the node's agent started in this step.
    private func judgeState(_ name: String, _ node: NodeReading?, starts: Int) -> ExpectationResult {
        let title = "node \(name) is \(state)"
        guard let node else { return ExpectationResult(title, .inconclusive, "\(name) was not observed") }
        guard node.power != .unknown else {
            return ExpectationResult(title, .inconclusive, "the hypervisor could not be asked about \(name)")
        }
        let met: Bool
        switch state {
        case "ready":
            met = node.power == .running && node.answers && node.agentRunning == true && node.hasConflist == true
        case "crashed": met = node.power == .stopped
        case "paused": met = node.power == .paused
        case "agent-down": met = node.power == .running && node.agentRunning == false
        case "agent-restarted": met = node.agentRunning == true && starts > 0
        default: return ExpectationResult(title, .inconclusive, "unknown state \(state)")
        }
        let conflist = node.hasConflist == false ? ", no conflist" : ""
        let agent = node.agentRunning.map { ($0 ? "agent runs" : "agent does not run") + conflist } ?? "agent not asked"
        return ExpectationResult(
            title, met ? .met : .unmet,
            "\(node.power.rawValue), \(node.answers ? "answers" : "does not answer") out of band, \(agent), "
                + "\(starts) agent starts in this step")
    }

    private func judgeFallbacks(_ name: String, _ node: NodeReading?, _ says: String) -> ExpectationResult {
        let title = "status of \(name) names \(says)"
        guard let fallbacks = node?.fallbacks else {
            return ExpectationResult(
                title, .inconclusive, "the agent of \(name) could not be asked for its status")
        }
        return ExpectationResult(
            title, fallbacks.contains { $0.contains(says) } ? .met : .unmet,
            "status: \(fallbacks.isEmpty ? "no fallback" : fallbacks.joined(separator: "; "))")
    }

    private func judgeAddresses(_ name: String, _ node: NodeReading?, _ wanted: Int) -> ExpectationResult {
        let title = "interfaces of \(name) have \(wanted) addresses"
        guard let addresses = node?.interfaceAddresses else {
            return ExpectationResult(title, .inconclusive, "the agent of \(name) told of no network interfaces")
        }
        return ExpectationResult(
            title, addresses.total == wanted ? .met : .unmet,
            "\(addresses.total) addresses of \(addresses.interfaces) interfaces, \(addresses.inUse) in use; "
                + "\(wanted) expected")
    }

    private func judgeKubeProxy(_ name: String, _ observation: Observation) -> ExpectationResult? {
        guard let kubeProxy else { return nil }
        let title = "kube-proxy on \(name): \(kubeProxy.rawValue)"
        let reading: KubeProxyReading
        switch observation.kubeProxies[name] {
        case .success(let found)?: reading = found
        case .failure(let error)?:
            return ExpectationResult(title, .inconclusive, "\(name) could not be read: \(error)")
        case nil: return ExpectationResult(title, .inconclusive, "\(name) was not read")
        }
        // If not even the process that read them is listed, nothing was read.
        guard !reading.processes.isEmpty else {
            return ExpectationResult(title, .inconclusive, "the processes of \(name) could not be listed")
        }
        let met = kubeProxy == .absent ? reading.traces.isEmpty : !reading.rules.isEmpty
        return ExpectationResult(
            title, met ? .met : .unmet,
            reading.traces.isEmpty
                ? "no KUBE-* chain or rule, and \(reading.processes.count) processes of other names"
                : reading.traces.joined(separator: "; "))
    }
}
