import Diagnosis
import Readings
import RunEvents
import Scenario

extension Judge {
    /// Every cell that was denied must have the drop event that says why.
    func dropResults(_ observation: Observation) -> [ExpectationResult] {
        let endpoints = Dictionary(observation.endpoints.map { ($0.id, $0) }) { first, _ in first }
        return expectations.drops.map { expected in
            let title = expected.words
            let denied = (observation.paths?.evidence.probes ?? []).filter { probe in
                guard let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] else { return false }
                return probe.observed.isDenial && expected.covers(from, to, probe.key)
            }
            guard !denied.isEmpty else { return result(title, .unmet, "none of these cells was denied") }
            var unexplained: [String] = []
            for probe in denied {
                guard probe.flow != nil else {
                    unexplained.append(
                        "\(probe.key.from) → \(probe.key.to) \(probe.key.protocol.rawValue): no flow was sent")
                    continue
                }
                let found = observation.paths?.events(of: probe).filter(\.isDrop) ?? []
                if found.contains(where: expected.explains) { continue }
                let others = Set(found.map { $0.words }).sorted()
                unexplained.append(
                    "\(probe.key.from) → \(probe.key.to) \(probe.key.protocol.rawValue): "
                        + (others.isEmpty ? "no drop event" : others.joined(separator: ", ")))
            }
            guard let first = unexplained.first else {
                return result(title, .met, "\(denied.count) denied cells, each with its drop event")
            }
            return result(
                title, .unmet, "\(unexplained.count) of \(denied.count) denied cells lack the event; \(first)")
        }
    }
}

extension Outcome {
    /// It came to no answer, or to another one than it asked for. From another address it was answered all the same.
    fileprivate var isDenial: Bool {
        switch self {
        case .wrongSource, .notMeasured: false
        default: !isServed
        }
    }
}

extension DropExpectation {
    fileprivate func covers(_ from: Endpoint, _ to: Endpoint, _ key: CellKey) -> Bool {
        self.from.matches(from) && self.to.matches(to) && (self.where?.matches(from, to) ?? true)
            && (protocols.isEmpty || protocols.contains(key.protocol))
            && (requests.map { $0.contains(key.request ?? "") } ?? true)
    }

    fileprivate func explains(_ event: PacketEvent) -> Bool {
        event.drop?.reason.rawValue == reason && (rule.map { event.rule?.contains($0) ?? false } ?? true)
    }
}

extension PacketEvent {
    fileprivate var words: String { (drop?.reason.rawValue ?? "") + (rule.map { " by \($0)" } ?? "") }
}
