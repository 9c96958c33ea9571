import Expectations
import KubeObjects
import Lab
import Observations
import RunEvents
import Scenario

extension ScenarioRun {
    /// How long a server may take for the objects of a step.
    private static let changing = Duration.seconds(60)
    /// How long pods may take to run before the first step, and after a step's changes. The step's own time begins then.
    private static let starting = Duration.seconds(90)
    /// When nothing has changed for so long, nothing more is waited for: a pod that no node takes never runs.
    private static let quiet = Duration.seconds(10)

    /// Gives the API server the scenario's objects before the first step, and waits until their pods run.
    ///
    /// - Throws: `ObjectRefusal` with the server's words.
    func serveObjects() async throws {
        guard let server = cluster.server else { return }
        let manifests = request.scenario.spec.served
        guard !manifests.isEmpty else { return }
        try await server.apply(manifests, within: Self.changing)
        try await settle()
    }

    /// Carries out a change of the API server's objects. What it refuses is an error of the step, in its own words.
    func change(_ action: Action, step: Int) async throws -> Verdict {
        guard let server = cluster.server else { throw LabError(.plan, "the lab has no control plane") }
        clean?.podsMayDiffer = true
        do {
            switch action {
            case .applyServed(let manifests): try await server.apply(manifests, within: Self.changing)
            case .deleteServed(let query): try await server.delete(query, within: Self.changing)
            case .scaleServed(let query, let replicas):
                try await server.scale(query, to: replicas, within: Self.changing)
            default: return .pass
            }
        } catch let refusal as ObjectRefusal {
            note(refusal.description)
            emitter.emit(
                .expectation(
                    step: step, ExpectationResult(refusal.action, .error, refusal.description)))
            return .infraError
        }
        try await settle()
        return .pass
    }

    /// Waits for the pods that an API server's objects stand for. Those that do not come to run are for the expectations to judge.
    func settle() async throws {
        guard cluster.server != nil else { return }
        let left = try await cluster.settle(within: Self.starting, quiet: Self.quiet)
        for (object, reason) in cluster.server?.takeUnreadable() ?? [:] {
            emitter.log(.warning, "runner", "agents are not told of \(object), which cannot be read: \(reason)")
        }
        guard let first = left.first else { return }
        let more = left.count > 1 ? ", and \(left.count - 1) more" : ""
        emitter.log(.info, "runner", "not running yet: \(first)\(more)")
    }
}

extension EvidenceCollector {
    /// How long the API server may take for an answer.
    private static let patience = Duration.seconds(10)

    /// Asks the API server for the objects that a step expects something of.
    func objects(_ needs: Set<ObservationNeed>) async -> [ObjectQuery: ObjectReading] {
        let queries = needs.compactMap { need in
            if case .object(let query) = need { query } else { nil }
        }
        return await withTaskGroup(of: (ObjectQuery, ObjectReading).self) { group in
            for query in queries {
                group.addTask {
                    guard let server = cluster.server else { return (query, .unread("the lab has no control plane")) }
                    return (query, await server.reading(of: query, within: Self.patience))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// Asks the API server for its events.
    func events() async -> ServedEvents {
        guard let server = cluster.server else {
            return ServedEvents(events: [], gap: "the lab has no control plane")
        }
        return await server.events(within: Self.patience)
    }

    /// The last warning about each pod, by the pod's own namespace and name.
    func warnings() async -> [String: String] {
        guard cluster.server != nil else { return [:] }
        return await events().events.reduce(into: [:]) { all, event in
            guard event.kind == "Pod", event.type == "Warning" else { return }
            all["\(event.namespace)/\(event.name)"] = "\(event.reason): \(event.message)"
        }
    }
}
