import Lab
import Observations
import RunEvents
import Scenario

/// Nodes that join the running lab, and nodes that leave it.
extension ScenarioRun {
    /// How long a node may take to be Ready when its agent is, and how long nothing may change meanwhile.
    private static let registering = (limit: Duration.seconds(90), quiet: Duration.seconds(10))

    /// Brings nodes up that were not there. The step's own time begins when they are ready, and the pods that
    /// controllers or placement give them run.
    func join(_ names: [String], step: Int) async throws {
        clean?.podsMayDiffer = true
        keepsPlaces = true
        try await emitter.phase(.boot) {
            try await cluster.join(names)
            emitJoins(step: step)
            try await reconcilePods()
            let waiting = try await cluster.waitForKubeNodes(
                names, within: Self.registering.limit, quiet: max(Self.registering.quiet, quiet))
            for node in waiting { emitter.log(.warning, "runner", node) }
        }
        try await settle()
        emitJoins(step: step)
    }

    /// Ends nodes. Pods that a workload wants to have elsewhere are made anew there.
    func leave(_ names: [String], step: Int) async throws -> Verdict {
        clean?.podsMayDiffer = true
        keepsPlaces = true
        for name in names { toldJoins[name] = nil }
        do {
            try await cluster.leave(names)
        } catch let refusal as ObjectRefusal {
            note(refusal.description)
            emitter.emit(.expectation(step: step, ExpectationResult(refusal.action, .error, refusal.description)))
            return .infraError
        }
        try await reconcilePods()
        try await settle()
        return .pass
    }

    /// Tells of nodes that have joined, and of what has come to be known since they did, whoever had them join.
    func emitJoins(step: Int) {
        for join in cluster.joins where cluster.isPresent(join.node) {
            guard toldJoins[join.node]?.join != join else { continue }
            let first = toldJoins[join.node]?.step ?? step
            toldJoins[join.node] = (first, join)
            emitter.emit(.nodeJoined(step: first, NodeJoinRecord(join, startedAt: emitter.elapsed(at: join.began))))
        }
    }
}

extension NodeJoinRecord {
    init(_ join: NodeJoin, startedAt: Double) {
        self.init(
            node: join.node, startedAt: startedAt, runtimeSeconds: join.runtime, agentSeconds: join.agent,
            nodeReadySeconds: join.nodeReady, firstPodSeconds: join.firstPod)
    }
}
