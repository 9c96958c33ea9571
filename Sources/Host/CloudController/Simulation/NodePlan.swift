public import CloudAPI

/// A node that a pool would make, with the pods that it would be made for.
public struct NodePlan: Sendable, Hashable {
    public let pool: NodePool
    public private(set) var pods: [ObjectName] = []
    /// What its labels must be, after what its pods require.
    public private(set) var requirements: LabelRequirements
    /// What its pods and the pods of daemon sets ask for.
    public private(set) var requests: ResourceAmounts
    /// The types of machines on which all of it has room.
    public private(set) var types: [CloudMachineType]
    /// What the pods of daemon sets take of it.
    let overhead: ResourceAmounts
    private var neighbours = Neighbours()
    /// Types of which the cloud has none left.
    private let unavailable: Set<String>

    /// - Parameters:
    ///   - types: Those that the pool's limits leave.
    ///   - unavailable: The names of types of which the cloud has said that it has none left.
    init(_ pool: NodePool, types: [CloudMachineType], unavailable: Set<String> = [], daemonSets: [ScheduledPod]) {
        self.pool = pool
        self.types = types
        self.unavailable = unavailable
        requirements = pool.nodeRequirements
        let own = pool.nodeRequirements
        overhead = daemonSets.filter { Self.runs($0, on: pool, own) }.map(\.requests)
            .reduce(ResourceAmounts(milli: ["pods": 0]), +)
        requests = overhead
    }

    /// Whether a daemon set has a pod on the pool's nodes. Its pods wait for startup taints to go, as others do.
    private static func runs(_ pod: ScheduledPod, on pool: NodePool, _ labels: LabelRequirements) -> Bool {
        pod.tolerations.intolerable(pool.taints) == nil
            && pod.alternatives.contains {
                labels.objection(to: $0, undefined: LabelRequirements.wellKnown) == nil
            }
    }

    /// Puts a pod on the node.
    ///
    /// - Returns: Why it cannot be there, in Karpenter's words, and then nothing has changed; nil if it is.
    mutating func add(_ pod: ScheduledPod) -> String? {
        // Startup taints are not looked at: somebody takes them off the node before it is of use.
        if let taint = pod.tolerations.intolerable(pool.taints) { return "did not tolerate \(taint)" }
        if let conflict = neighbours.conflict(with: pod) { return conflict }
        var objection = ""
        for alternative in pod.alternatives {
            if let reason = requirements.objection(to: alternative, undefined: LabelRequirements.wellKnown) {
                objection = "incompatible requirements, \(reason)"
                continue
            }
            let tightened = requirements.adding(alternative)
            let sum = requests + pod.requests
            let fitting = types.filter {
                !unavailable.contains($0.name) && Self.isOfType($0, tightened) && $0.allocatableAmounts.holds(sum)
            }
            guard !fitting.isEmpty else {
                objection = lack(tightened, sum, pod)
                continue
            }
            (requirements, requests, types) = (tightened, sum, fitting)
            pods.append(pod.name)
            neighbours.take(pod)
            return nil
        }
        return objection
    }

    private static func isOfType(_ type: CloudMachineType, _ requirements: LabelRequirements) -> Bool {
        let labels = type.labels
        return requirements.byKey.allSatisfy { key, one in
            labels.byKey[key].map { !$0.intersection(one).isEmpty } ?? true
        }
    }

    /// Why no type of machine is right.
    private func lack(_ requirements: LabelRequirements, _ sum: ResourceAmounts, _ pod: ScheduledPod) -> String {
        let isMet = types.contains { Self.isOfType($0, requirements) }
        let hasRoom = types.contains { $0.allocatableAmounts.holds(sum) }
        let reason =
            switch (isMet, hasRoom) {
            case (false, false): "no instance type met the scheduling requirements or had enough resources"
            case (false, true): "no instance type met all requirements"
            case (true, false): "no instance type has enough resources"
            case (true, true):
                types.contains { Self.isOfType($0, requirements) && $0.allocatableAmounts.holds(sum) }
                    ? "no instance type which met the scheduling requirements and had enough resources had a required "
                        + "offering"
                    : "no instance type which met the scheduling requirements had enough resources"
            }
        return "no instance type satisfied resources \(overhead + pod.requests) and requirements \(requirements) "
            + "(\(reason))"
    }
}
