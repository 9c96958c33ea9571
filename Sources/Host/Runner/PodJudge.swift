import Diagnosis
import RunEvents
import Scenario

extension Judge {
    func podResults(_ observation: Observation) -> [ExpectationResult] {
        let waiting = observation.pods.filter { !$0.isRunning }
        if expectations.pods.isEmpty, let first = waiting.first {
            // The matrix has no row for them, so that their absence would not be seen.
            return [
                result(
                    "pods: all running", .unmet,
                    "\(waiting.count) of \(observation.pods.count) pods wait, for example \(first.words)")
            ]
        }
        return expectations.pods.map { expected in
            let selected = observation.pods.filter { pod in
                (expected.nodes.isEmpty || expected.nodes.contains(pod.node))
                    && expected.labels.allSatisfy { pod.labels[$0.key] == $0.value }
            }
            let found = selected.filter { $0.isRunning == (expected.state == .running) }
            guard found.count == expected.count else {
                let other = selected.first { !$0.isRunning }.map { "; \($0.words)" } ?? ""
                return result(
                    expected.words, .unmet,
                    "\(found.count) of \(selected.count) are \(expected.state.rawValue), not \(expected.count)\(other)")
            }
            for pod in found {
                let reason = pod.reason ?? ""
                guard let missing = expected.mentions.first(where: { !reason.contains($0) }) else { continue }
                return result(expected.words, .unmet, "\(pod.words), which does not name \"\(missing)\"")
            }
            let example = found.first { !$0.isRunning }.map { ", for example \($0.words)" } ?? ""
            return result(expected.words, .met, "\(found.count) of \(selected.count)\(example)")
        }
    }
}

extension PodReading {
    fileprivate var words: String { "\(id) on \(node): \(reason ?? "running")" }
}
