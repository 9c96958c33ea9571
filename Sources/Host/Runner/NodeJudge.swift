import Diagnosis
import RunEvents
import Scenario

extension Judge {
    func nodeResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.nodes.flatMap { expected -> [ExpectationResult] in
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let title = "node \(name) is \(expected.state)"
                guard let node = observation.nodes.first(where: { $0.name == name }) else {
                    return result(title, .inconclusive, "\(name) was not observed")
                }
                guard node.power != .unknown else {
                    return result(title, .inconclusive, "the hypervisor could not be asked about \(name)")
                }
                let restarts = observation.agentRestarts[name] ?? 0
                let met: Bool
                switch expected.state {
                case "ready": met = node.power == .running && node.answers && node.agentRunning == true
                case "crashed": met = node.power == .stopped
                case "paused": met = node.power == .paused
                case "agent-down": met = node.power == .running && node.agentRunning == false
                case "agent-restarted": met = node.agentRunning == true && restarts > 0
                default: return result(title, .inconclusive, "unknown state \(expected.state)")
                }
                let agent = node.agentRunning.map { $0 ? "agent runs" : "agent does not run" } ?? "agent not asked"
                if let says = expected.says {
                    guard let fallbacks = node.fallbacks else {
                        return result(title, .inconclusive, "the agent of \(name) could not be asked for its status")
                    }
                    let said = fallbacks.contains { $0.contains(says) }
                    return result(
                        title, met && said ? .met : .unmet,
                        "\(agent), status: \(fallbacks.isEmpty ? "no fallback" : fallbacks.joined(separator: "; "))")
                }
                if let wanted = expected.interfaceAddresses {
                    guard let addresses = node.interfaceAddresses else {
                        return result(title, .inconclusive, "the agent of \(name) told of no network interfaces")
                    }
                    return result(
                        title, met && addresses.total == wanted ? .met : .unmet,
                        "\(agent), \(addresses.total) addresses of \(addresses.interfaces) interfaces, "
                            + "\(addresses.inUse) in use; \(wanted) expected")
                }
                return result(
                    title, met ? .met : .unmet,
                    "\(node.power.rawValue), \(node.answers ? "answers" : "does not answer") out of band, \(agent), "
                        + "\(restarts) agent starts in this step")
            }
        }
    }
}
