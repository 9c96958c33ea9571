public import CloudAPI

/// A simulated scheduling: where pods would run that the scheduler finds no node for, and which nodes would have to be
/// made for it.
///
/// It follows Karpenter's provisioner (v1.0): nodes that are there or on their way first, then nodes that it has
/// planned already, then a new one of the first pool that would do, in the order of the pools' weights.
public struct Simulation: Sendable {
    /// Where a pod would run.
    public enum Place: Sendable, Hashable {
        /// On a node that is there, or on the machine of a claim.
        case room(node: String, claim: String)
        /// On the node with this index in `plans`.
        case plan(Int)
    }
    public private(set) var plans: [NodePlan] = []
    public private(set) var places: [ObjectName: Place] = [:]
    /// Why no node of any pool would help a pod, in Karpenter's words.
    public private(set) var failures: [ObjectName: String] = [:]

    private let pools: [NodePool]
    private let types: [CloudMachineType]
    private let unavailable: Set<String>
    private let daemonSets: [ScheduledPod]
    private var rooms: [NodeRoom]
    /// What the limits of a pool leave.
    private var left: [String: ResourceAmounts] = [:]

    /// - Parameters:
    ///   - unavailable: Names of types of which the cloud has none left.
    ///   - used: The capacity of all nodes of a pool, by its name, with machines that are on their way.
    ///   - rooms: Nodes and machines on their way.
    public init(
        pools: [NodePool], types: [CloudMachineType], unavailable: Set<String> = [], daemonSets: [ScheduledPod] = [],
        rooms: [NodeRoom] = [], used: [String: ResourceAmounts] = [:]
    ) {
        self.unavailable = unavailable
        self.pools = pools.filter { !$0.isTerminating }
            .sorted { $0.weight != $1.weight ? $0.weight > $1.weight : $0.name < $1.name }
        self.types = types.sorted { $0.name < $1.name }
        self.daemonSets = daemonSets
        // Where pods can be put at once comes first.
        self.rooms = rooms.filter(\.isInitialized) + rooms.filter { !$0.isInitialized }
        for pool in self.pools {
            left[pool.name.name] = pool.limits.map { $0 - (used[pool.name.name] ?? ResourceAmounts()) }
        }
    }

    /// Places pods, the largest first.
    public mutating func place(_ pods: [ScheduledPod]) {
        func size(_ pod: ScheduledPod) -> (Int64, Int64) { (pod.requests["cpu"], pod.requests["memory"]) }
        let order = pods.sorted { size($0) != size($1) ? size($0) > size($1) : $0.name < $1.name }
        for pod in order { place(pod) }
    }

    private mutating func place(_ pod: ScheduledPod) {
        if let words = pod.unsimulated {
            failures[pod.name] = words
            return
        }
        if let index = rooms.firstIndex(where: { $0.objection(to: pod) == nil }) {
            rooms[index].take(pod)
            places[pod.name] = .room(node: rooms[index].node, claim: rooms[index].claim)
            return
        }
        // The emptiest node first, so that pods are spread over those that are made anyway.
        for index in plans.indices.sorted(by: { plans[$0].pods.count < plans[$1].pods.count })
        where plans[index].add(pod) == nil {
            places[pod.name] = .plan(index)
            return
        }
        var reasons: [String] = []
        for pool in pools {
            let name = pool.name.name
            let affordable = types.filter { type in
                left[name].map { left in type.capacityAmounts.milli.allSatisfy { left.allows($1, of: $0) } } ?? true
            }
            guard !affordable.isEmpty || types.isEmpty else {
                reasons.append("all available instance types exceed limits for nodepool: \"\(name)\"")
                continue
            }
            var plan = NodePlan(pool, types: affordable, unavailable: unavailable, daemonSets: daemonSets)
            if let reason = plan.add(pod) {
                reasons.append(
                    "incompatible with nodepool \"\(name)\", daemonset overhead=\(plan.overhead), \(reason)")
                continue
            }
            if let left = left[name] {
                self.left[name] =
                    left - plan.types.map(\.capacityAmounts).reduce(ResourceAmounts()) { $0.most($1) }
            }
            plans.append(plan)
            places[pod.name] = .plan(plans.count - 1)
            return
        }
        // Karpenter has no event for a cluster without pools; it says in its log that there are none.
        failures[pod.name] = reasons.isEmpty ? "no nodepools found" : reasons.joined(separator: "; ")
    }
}

extension ResourceAmounts {
    /// Whether an amount of a resource is within these limits. What is not limited is.
    fileprivate func allows(_ amount: Int64, of name: String) -> Bool { milli[name].map { amount <= $0 } ?? true }
}
