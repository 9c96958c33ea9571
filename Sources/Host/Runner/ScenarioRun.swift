import Diagnosis
import Expectations
import Faults
import Foundation
import Lab
import Observations
import RunEvents
import Scenario

/// Runs a scenario on a cluster: boot, every step, healing. It emits what happens, and judges by what was observed.
public actor ScenarioRun {
    let request: RunRequest
    let cluster: Cluster
    let emitter: Emitter
    let collector: EvidenceCollector
    /// Brings the cluster's nodes up.
    private let boot: @Sendable () async throws -> Void
    /// Returns when the outer process ends a pause.
    private let resumed: @Sendable () async -> Void
    var workloads: [Workload]
    var active: [ActiveFault] = []
    var clean: CleanState?
    /// The receivers that have answered somebody so far.
    var answered: Set<Receiver> = []
    /// The identities that steps with such an expectation read, by the step's name.
    var identities: [String: [IdentityReading]] = [:]
    var patience: ProbePatience
    /// True once it was reported that probes wait longer than the scenario asks for.
    var saidPatience = false
    /// The first thing that went wrong, in one sentence.
    var failure: String?
    /// Whether pods stay where they are when they are placed again: once nodes have joined or left.
    var keepsPlaces = false
    /// What was reported of nodes that joined, with the step in which they did.
    var toldJoins: [String: (step: Int, join: NodeJoin)] = [:]
    /// What steps changed of the lab itself, for good, in one sentence each.
    var changes: [String] = []

    public init(
        request: RunRequest, cluster: Cluster, emitter: Emitter, boot: @escaping @Sendable () async throws -> Void,
        resumed: @escaping @Sendable () async -> Void
    ) {
        self.boot = boot
        self.request = request
        self.cluster = cluster
        self.emitter = emitter
        self.resumed = resumed
        collector = EvidenceCollector(cluster: cluster, readsNetfilter: request.image.userlandPath != nil)
        workloads = request.scenario.spec.workloads
        patience = ProbePatience(asked: request.scenario.spec.probes.deadline)
    }

    /// Says whether some step expects pods to wait. Otherwise a pod that does not start is a failure of the lab.
    var keepsWaitingPods: Bool {
        request.scenario.spec.timeline.contains { step in
            step.expect?.needs.contains(.waitingPods) ?? false
        }
    }

    func note(_ message: String) {
        if failure == nil { failure = message }
        emitter.log(.warning, "runner", message)
    }

    /// Runs to the end. A failure of the lab ends it early.
    public func run() async -> RunResult {
        let started = ContinuousClock.now
        do {
            let verdict = try await withThrowingTaskGroup(of: Verdict?.self) { group in
                group.addTask { try await self.timeline() }
                group.addTask {
                    for await failure in self.cluster.failures() { throw failure }
                    return nil
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(self.request.timeout))
                    throw LabError(.request, "the run was not over within \(self.request.timeout) s")
                }
                defer { group.cancelAll() }
                while let next = try await group.next() {
                    if let verdict = next { return verdict }
                }
                return Verdict.inconclusive
            }
            return RunResult(
                verdict: verdict, message: verdict == .pass ? "every expectation was met" : failure ?? "see the steps",
                durationSeconds: (ContinuousClock.now - started).inSeconds)
        } catch is CancellationError {
            return ended(.interrupted, "interrupted", since: started)
        } catch {
            if Task.isCancelled { return ended(.interrupted, "interrupted", since: started) }
            return ended(.infraError, "\(error)", since: started)
        }
    }

    /// Ends a run that could not heal. Faults still in force are named, and end with the lab.
    private func ended(_ verdict: Verdict, _ message: String, since: ContinuousClock.Instant) -> RunResult {
        let inForce = active.map(\.id).joined(separator: ", ")
        let suffix = inForce.isEmpty ? "" : "; still in force at the end, gone with the lab: \(inForce)"
        return RunResult(
            verdict: verdict, message: message + suffix, durationSeconds: (ContinuousClock.now - since).inSeconds)
    }

    private func timeline() async throws -> Verdict {
        try await emitter.phase(.boot) { try await boot() }
        try await emitter.phase(.ready) {
            if cluster.server == nil { try await cluster.apply(request.scenario.spec.objects) }
            try await reconcilePods()
            try await serveObjects()
            try await cluster.waitUntilReady(within: .seconds(30))
        }
        var verdicts: [Verdict] = []
        for (index, step) in request.scenario.spec.timeline.enumerated() {
            let verdict = try await run(step, index: index)
            verdicts.append(verdict)
            if verdict != .pass, request.pauseOnFail {
                emitter.log(.warning, "runner", "paused after step \(step.name): \(failure ?? "")")
                await resumed()
            }
        }
        verdicts.append(try await healAll())
        if request.keep {
            emitter.log(.info, "runner", "the lab is kept until it is interrupted")
            await resumed()
        }
        return Verdict.worst(of: verdicts)
    }
}
