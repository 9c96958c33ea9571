import JSON

/// What an autoscaler does about the pods that the scheduler finds no node for.
public struct Provisioning: Sendable {
    /// Claims to be made, each with the pods that it is for.
    public private(set) var claims: [(name: String, plan: NodePlan)] = []
    public private(set) var events: [ControllerEvent] = []
    /// The names of claims, those that are there among them, that pods wait for.
    public private(set) var nominated: Set<String> = []

    /// - Parameter suffix: Makes the end of a claim's name, five characters.
    public init(_ view: ClusterView, suffix: () -> String) {
        let waiting = view.pods.filter(\.isForAutoscaler)
        guard !waiting.isEmpty else { return }
        var simulation = Simulation(
            pools: view.pools, types: view.types, unavailable: view.unavailable, daemonSets: view.daemonSets,
            rooms: view.rooms, used: view.used)
        simulation.place(waiting)
        claims = simulation.plans.map { ("\($0.pool.name.name)-\(suffix())", $0) }
        for pod in waiting.map(\.name).sorted() {
            if let reason = simulation.failures[pod] {
                events.append(.warning(.pod(pod), "FailedScheduling", "Failed to schedule pod, \(reason)"))
                continue
            }
            let target: String
            switch simulation.places[pod] {
            case .plan(let index):
                target = "nodeclaim/\(claims[index].name)"
                nominated.insert(claims[index].name)
            case .room(let node, ""): target = "node/\(node)"
            case .room(let node, let claim):
                target = "nodeclaim/\(claim)" + (node.isEmpty ? "" : ", node/\(node)")
                nominated.insert(claim)
            case nil: continue
            }
            events.append(.normal(.pod(pod), "Nominated", "Pod should schedule on: \(target)"))
        }
    }
}

extension NodePlan {
    /// The claim's object, as it is created.
    func object(named name: String) -> JSONValue {
        let known = pool.labels.merging(requirements.singleValues) { _, own in own }
        var spec: [String: JSONValue] = [
            "requirements": requirements.json, "resources": .object(["requests": requests.json]),
        ]
        if !pool.taints.isEmpty { spec["taints"] = .array(pool.taints.map(\.json)) }
        if !pool.startupTaints.isEmpty { spec["startupTaints"] = .array(pool.startupTaints.map(\.json)) }
        if !pool.nodeClass.isEmpty { spec["nodeClassRef"] = .object(pool.nodeClass.mapValues { .string($0) }) }
        return .object([
            "apiVersion": .string("karpenter.sh/v1"), "kind": .string("NodeClaim"),
            "metadata": .object([
                "name": .string(name), "labels": .object(known.mapValues { .string($0) }),
                "annotations": .object(pool.annotations.mapValues { .string($0) }),
                "finalizers": .array([.string(NodeClaim.finalizer)]),
                "ownerReferences": .array([
                    .object([
                        "apiVersion": .string("karpenter.sh/v1"), "kind": .string("NodePool"),
                        "name": .string(pool.name.name), "uid": .string(pool.name.uid),
                        "blockOwnerDeletion": .bool(true),
                    ])
                ]),
            ]), "spec": .object(spec),
        ])
    }
}
