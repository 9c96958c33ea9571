import Expectations
import KubeObjects
import Lab
import Observations
import RunEvents
import Scenario

extension ScenarioRun {
    /// How long a server may take for the objects of a step.
    private static let changing = Duration.seconds(60)
    /// How long pods may take to run before the first step, and after a step's changes. The step's own time begins
    /// then. A real kubelet and containerd need 3 to 7 s of an emulated processor for each pod.
    private var starting: Duration { .seconds(request.profile.kubelet == .real ? 240 : 90) }
    /// When nothing has changed for so long, nothing more is waited for: a pod that no node takes never runs.
    var quiet: Duration { .seconds(request.profile.kubelet == .real ? 40 : 10) }

    /// Gives the API server the scenario's objects before the first step, and waits until their pods run.
    ///
    /// - Throws: `ObjectRefusal` with the server's words.
    func serveObjects() async throws {
        guard let server = cluster.server else { return }
        // A daemon set has no pods before there are nodes.
        for node in try await cluster.waitForKubeNodes(within: starting, quiet: max(quiet, .seconds(30))) {
            emitter.log(.warning, "runner", node)
        }
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
            case .applyServed(let manifests):
                let began = ContinuousClock.now
                try await server.apply(manifests, within: Self.changing)
                let given = ContinuousClock.now
                let settling = try await settle(agents: .seconds(min(60, max(10, manifests.count / 20))))
                emitter.emit(
                    .applied(
                        step: step,
                        AppliedRecord(
                            objects: manifests.count, givenSeconds: (given - began).inSeconds,
                            podsSeconds: settling.podsReady.map { ($0 - began).inSeconds },
                            agentsSeconds: settling.agentsReady.map { ($0 - began).inSeconds },
                            behind: Array(settling.behind.prefix(AppliedRecord.mostBehind)))))
                return .pass
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

    /// Waits for the pods that an API server's objects stand for. Those that do not come to run are for the
    /// expectations to judge.
    ///
    /// - Parameter agents: How long agents may take to know of everything, once the pods run.
    @discardableResult
    func settle(agents: Duration = .seconds(10)) async throws -> Settling {
        let settling = try await cluster.settle(within: starting, quiet: quiet, agents: agents)
        for (object, reason) in cluster.server?.takeUnreadable() ?? [:] {
            emitter.log(.warning, "runner", "agents are not told of \(object), which cannot be read: \(reason)")
        }
        guard let first = settling.left.first else { return settling }
        let more = settling.left.count > 1 ? ", and \(settling.left.count - 1) more" : ""
        emitter.log(.info, "runner", "not running yet: \(first)\(more)")
        return settling
    }
}
