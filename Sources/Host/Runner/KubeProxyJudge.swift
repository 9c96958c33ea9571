import RunEvents
import Scenario

extension Judge {
    func kubeProxyResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.nodes.flatMap { expected -> [ExpectationResult] in
            guard let wanted = expected.kubeProxy else { return [] }
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let title = "kube-proxy on \(name): \(wanted.rawValue)"
                let reading: KubeProxyReading
                switch observation.kubeProxies[name] {
                case .success(let found)?: reading = found
                case .failure(let error)?: return result(title, .inconclusive, "\(name) could not be read: \(error)")
                case nil: return result(title, .inconclusive, "\(name) was not read")
                }
                // Where not even this reading's own process is listed, nothing was read.
                guard !reading.processes.isEmpty else {
                    return result(title, .inconclusive, "the processes of \(name) could not be listed")
                }
                let met = wanted == .absent ? reading.traces.isEmpty : !reading.rules.isEmpty
                return result(
                    title, met ? .met : .unmet,
                    reading.traces.isEmpty
                        ? "no KUBE-* chain or rule, and \(reading.processes.count) processes of other names"
                        : reading.traces.joined(separator: "; "))
            }
        }
    }
}
