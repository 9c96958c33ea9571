import Faults
import Lab
import RunEvents
import Scenario

/// A fault that is in force.
struct ActiveFault: Sendable {
    let call: FaultCall
    let fault: any Fault
    /// What it claims for itself until it is healed.
    let claims: [Claim]
    var id: String { call.id }
    var kind: String { call.kind }
}

/// The state of the lab before the first of the faults in force.
struct CleanState: Sendable {
    let snapshot: LabSnapshot
    /// True if workloads were changed since. Pods may then differ without being leftovers.
    var podsMayDiffer = false
}

extension ScenarioRun {
    /// Carries out an action. If its effect cannot be proven, the result is inconclusive. If it cannot be undone, it is
    /// a dirty rollback.
    func perform(_ action: Action, step: Int) async throws -> Verdict {
        switch action {
        case .inject(let call): return try await inject(call, step: step)
        case .heal(let id): return try await heal(id, step: step)
        case .applyObject(let object): try await cluster.apply([object])
        case .deleteObject(let kind, let key): try await cluster.delete(kind, key)
        case .apply(let workload):
            workloads.removeAll { $0.kind == workload.kind && $0.key == workload.key }
            workloads.append(workload)
            try await reconcilePods()
        case .delete(let kind, let namespace, let name):
            workloads.removeAll { $0.kind == kind && $0.namespace == namespace && $0.name == name }
            try await reconcilePods()
        case .scale(let namespace, let name, let replicas):
            for index in workloads.indices
            where workloads[index].kind == .deployment && workloads[index].namespace == namespace
                && workloads[index].name == name
            {
                workloads[index].replicas = replicas
            }
            try await reconcilePods()
        case .set(let values):
            changes += values.keys.sorted().map { "a step has set \($0)" }
            try await cluster.set(values)
        case .applyServed, .deleteServed, .scaleServed: return try await change(action, step: step)
        case .join(let names): try await join(names, step: step)
        case .leave(let names): return try await leave(names, step: step)
        case .wait(let condition): try await wait(for: condition)
        }
        return .pass
    }

    private func inject(_ call: FaultCall, step: Int) async throws -> Verdict {
        let kind = try FaultCatalogue.shipped.kind(of: call)
        let fault = try kind.init(call, in: cluster)
        let claims = kind.descriptor.claims(call, cluster.presentNodes.map(\.name))
        func record(_ state: FaultRecord.State, _ evidence: [String]) {
            emitter.emit(
                .fault(
                    step: step,
                    FaultRecord(id: call.id, kind: call.kind, targets: fault.targets, state: state, evidence: evidence))
            )
        }
        if let conflict = claimsInForce.conflict(of: claims) {
            record(.refused, [conflict.description])
            note("fault \(call.id) was refused: \(conflict)")
            return .inconclusive
        }
        if active.isEmpty {
            // An API server's controllers make pods anew by themselves.
            clean = CleanState(snapshot: try await cluster.snapshot(), podsMayDiffer: cluster.server != nil)
        }
        cluster.tolerate(fault.disturbs, true)
        cluster.tolerateAgents(fault.disturbsAgents, true)
        for server in fault.disturbsServers { cluster.controlPlane?.tolerate(server, true) }
        active.append(ActiveFault(call: call, fault: fault, claims: claims))
        try await emitter.phase(.inject) { try await fault.inject() }
        record(.injected, [])
        let proof = try await emitter.phase(.verifyEffect) { try await prove { try await fault.effect() } }
        record(proof.holds ? .verified : .unproven, proof.evidence)
        if !proof.holds {
            note("the effect of fault \(call.id) was not proven: \(proof.evidence.joined(separator: "; "))")
        }
        return proof.holds ? .pass : .inconclusive
    }

    private var claimsInForce: ClaimsInForce {
        var claims = ClaimsInForce()
        for fault in active { claims.hold(fault.claims, by: fault.call) }
        return claims
    }

    private func heal(_ id: String, step: Int) async throws -> Verdict {
        guard let index = active.lastIndex(where: { $0.id == id }) else {
            note("no fault \(id) to heal")
            return .inconclusive
        }
        return try await heal(active[index], step: step)
    }

    private func heal(_ fault: ActiveFault, step: Int) async throws -> Verdict {
        func record(_ state: FaultRecord.State, _ evidence: [String]) {
            emitter.emit(
                .fault(
                    step: step,
                    FaultRecord(
                        id: fault.id, kind: fault.kind, targets: fault.fault.targets, state: state, evidence: evidence))
            )
        }
        try await emitter.phase(.heal) {
            try await fault.fault.heal()
            // An agent that was away missed the changes in the meantime.
            try await cluster.announceObjects()
            try await settle()
        }
        // Until here, the fault counts as in force, so that a heal that fails is reported at the end of the run.
        active.removeAll { $0.id == fault.id }
        let (proof, leftovers) = try await emitter.phase(.verifyClean) { try await verifyClean(fault) }
        cluster.tolerate(fault.fault.disturbs, false)
        cluster.tolerateAgents(fault.fault.disturbsAgents, false)
        for server in fault.fault.disturbsServers { cluster.controlPlane?.tolerate(server, false) }
        guard proof.holds, leftovers.isEmpty else {
            record(.dirty, proof.evidence + leftovers)
            note("fault \(fault.id) left traces: \((proof.holds ? leftovers : proof.evidence).joined(separator: "; "))")
            return .dirtyRollback
        }
        let others = active.map(\.id).joined(separator: ", ")
        let compared =
            others.isEmpty
            ? "state of nodes and fabric is as before" : "state is compared when \(others) is healed, too"
        record(.healed, proof.evidence + [compared])
        return .pass
    }

    private func verifyClean(_ fault: ActiveFault) async throws -> (proof: Proof, leftovers: [String]) {
        // An agent that starts again has its programs verified first. That takes seconds under emulation.
        let proof = try await prove(within: .seconds(30)) { try await fault.fault.gone() }
        guard proof.holds else { return (proof, []) }
        return (proof, try await leftovers())
    }

    /// Heals the faults that a scenario left in force, last one first.
    func healAll() async throws -> Verdict {
        var verdicts: [Verdict] = [.pass]
        while let fault = active.last {
            verdicts.append(try await heal(fault, step: max(0, request.scenario.spec.timeline.count - 1)))
        }
        return Verdict.worst(of: verdicts)
    }

    /// Returns what the lab has now and did not have before, or the reverse, once that is stable. Routes and addresses
    /// return some milliseconds after a carrier does.
    private func leftovers() async throws -> [String] {
        // Changes by other faults in force cannot be told from leftovers. The check is made after the last fault is
        // healed.
        guard active.isEmpty, let clean else { return [] }
        let end = ContinuousClock.now + .seconds(3)
        while true {
            let now = try await cluster.snapshot()
            let last =
                clean.podsMayDiffer
                ? now.withoutPods.differences(since: clean.snapshot.withoutPods)
                : now.differences(since: clean.snapshot)
            if last.isEmpty || ContinuousClock.now >= end { return last }
            // There is no event for a change of a node's snapshot.
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Asks an oracle until it agrees or the time is over.
    private func prove(
        within deadline: Duration = .seconds(5), _ oracle: () async throws -> Proof
    ) async throws -> Proof {
        let end = ContinuousClock.now + deadline
        while true {
            let proof = try await oracle()
            if proof.holds || ContinuousClock.now >= end { return proof }
            // There is no event for what an oracle reads.
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func wait(for condition: WaitCondition) async throws {
        let deadline = Duration.seconds(condition.within)
        switch condition.subject {
        case .nodesReady: try await cluster.waitUntilReady(within: deadline)
        case .podsRunning where cluster.server != nil:
            let unsettled = try await cluster.settle(within: deadline, quiet: deadline).left
            if let first = unsettled.first {
                throw LabError(.notReady, "pods are not running after \(deadline): \(first)")
            }
        case .podsRunning:
            let end = ContinuousClock.now + deadline
            while true {
                do {
                    return try await reconcilePods()
                } catch let error as LabError where ContinuousClock.now < end {
                    emitter.log(.info, "runner", "waiting for pods: \(error.message)")
                }
            }
        }
    }

    /// Creates the pods that the workloads ask for, and removes those that no workload asks for.
    func reconcilePods() async throws {
        // With a control plane, its scheduler and controllers do that.
        guard cluster.server == nil else { return }
        clean?.podsMayDiffer = true
        let waiting = cluster.waitingPods.map(\.planned)
        let running = await cluster.runningPods.map(\.planned)
        let places =
            keepsPlaces ? Dictionary((running + waiting).map { ($0.endpointID, $0.node) }) { first, _ in first } : [:]
        let wanted = WorkloadPlacement.pods(
            for: workloads, nodes: cluster.presentNodes.map(\.name), keeping: places)
        let surplus = (running + waiting).filter { pod in !wanted.contains { $0.isSame(as: pod) } }
        if !surplus.isEmpty { try await cluster.stop(Set(surplus.map(\.endpointID))) }
        let missing = wanted.filter { pod in !running.contains { pod.isSame(as: $0) } }
        if !missing.isEmpty { try await cluster.start(missing, keepsWaiting: keepsWaitingPods) }
    }

    /// What an action does, in words.
    func words(of action: Action) -> String { action.words(FaultCatalogue.shipped.descriptors) }
}

extension PlannedPod {
    /// Says whether a running pod is as planned. Its node does not matter: the place of a pod without a fixed node
    /// depends on the other pods, and a running pod stays.
    fileprivate func isSame(as running: PlannedPod) -> Bool {
        endpointID == running.endpointID && labels == running.labels && port == running.port && ports == running.ports
            && programs == running.programs && restartPolicy == running.restartPolicy
    }
}

extension Workload {
    var key: String { "\(namespace)/\(name)" }
}
