import CloudAPI
import JSON
import KubeClient
import ServerProgram

extension ControllerLoop {
    func make(_ plan: NodePlan, _ name: String) async throws {
        let answer = try await client.create(.nodeClaims, KubeBody(plan.object(named: name)), within: Self.patience)
        made[name] = (try NodeClaim(try answer.json()), now)
        log("made nodeclaim \(name) for \(plan.pods.count) pods: \(plan.requests)")
    }

    /// Does what a claim's next step says. Its node is changed first: the status tells that it was.
    func carryOut(_ step: ClaimStep, _ claim: NodeClaim) async throws {
        for case .change(let change) in step.actions {
            do {
                try await client.patch(
                    .nodes, name: change.node.name, .merge, KubeBody(change.patch), within: Self.patience)
            } catch let error as KubeClientError where error.status?.isNotFound == true || error.status?.code == 409 {
                // The node is another one than the step saw. The next pass sees it.
                return
            }
        }
        if step.claim != claim, !claim.isTerminating {
            let patch = KubeBody(.object(["status": step.claim.status]))
            try await write {
                try await client.patch(
                    .nodeClaims, name: claim.name.name, subresource: "status", .merge, patch, within: Self.patience)
            }
            made[claim.name.name]?.claim = step.claim
        }
        await tell(step.events, by: "karpenter")
        for action in step.actions { try await carryOut(action, step) }
    }

    private func carryOut(_ action: ClaimStep.Action, _ step: ClaimStep) async throws {
        let name = step.claim.name
        switch action {
        case .launch(let type, let data): try await launch(type, data, step)
        case .change: return
        case .evict(let pod): try await evict(pod)
        case .terminate(let instance):
            log("nodeclaim \(name) ends its machine \(instance)")
            _ = try await cloud.ask(AccountRequest(.terminateInstances, instanceID: instance))
        case .deleteNode(let node):
            try await write {
                try await client.delete(.nodes, name: node.name, uid: node.uid, within: Self.patience)
            }
        case .delete:
            try await write {
                try await client.delete(.nodeClaims, name: name.name, uid: name.uid, within: Self.patience)
            }
        case .removeFinalizer:
            let left = step.claim.finalizers.filter { $0 != NodeClaim.finalizer }
            let patch = JSONValue.object([
                "metadata": .object(["finalizers": left.isEmpty ? .null : .array(left.map { .string($0) })])
            ])
            try await write {
                try await client.patch(.nodeClaims, name: name.name, .merge, KubeBody(patch), within: Self.patience)
            }
        }
    }

    private func launch(_ type: String, _ data: KubeletUserData, _ step: ClaimStep) async throws {
        do {
            let reply = try await cloud.ask(
                AccountRequest(
                    .runInstances, instanceType: type, clientToken: step.claim.name.uid, kubelet: data))
            log("nodeclaim \(step.claim.name) has \(reply.machines?.first?.instanceID ?? "no machine")")
        } catch let failure as CloudFailure where failure.code == .insufficientInstanceCapacity {
            exhausted[type] = now
            var refused = step
            refused.events = []
            refused.refuse(failure.description)
            await tell(refused.events, by: "karpenter")
            for action in refused.actions { try await carryOut(action, refused) }
        }
    }

    /// Asks for a pod to be evicted. A disruption budget that does not allow it yet is no failure: it is asked again.
    private func evict(_ pod: ObjectName) async throws {
        let isBeta =
            try await client.firstServed(of: [.podDisruptionBudgets, .podDisruptionBudgetsBeta])
            == .podDisruptionBudgetsBeta
        let eviction = JSONValue.object([
            "apiVersion": .string(isBeta ? "policy/v1beta1" : "policy/v1"), "kind": .string("Eviction"),
            "metadata": .object(["namespace": .string(pod.namespace), "name": .string(pod.name)]),
        ])
        do {
            try await write {
                try await client.create(
                    .pods, namespace: pod.namespace, name: pod.name, subresource: "eviction", KubeBody(eviction),
                    within: Self.patience)
            }
        } catch let error as KubeClientError where error.status?.code == 429 {
            log("pod \(pod) cannot be evicted yet: \(error)")
        }
    }
}

extension NodeClaim {
    /// As it is written.
    var status: JSONValue {
        var status: [String: JSONValue] = ["conditions": .array(conditions.map(\.json))]
        if !providerID.isEmpty { status["providerID"] = .string(providerID) }
        if !nodeName.isEmpty { status["nodeName"] = .string(nodeName) }
        if !capacity.milli.isEmpty { status["capacity"] = capacity.json }
        if !allocatable.milli.isEmpty { status["allocatable"] = allocatable.json }
        return .object(status)
    }
}
