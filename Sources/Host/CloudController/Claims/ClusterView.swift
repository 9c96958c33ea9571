public import CloudAPI

/// What an autoscaler knows of its cluster and its cloud at one moment.
public struct ClusterView: Sendable {
    public var pods: [ScheduledPod] = []
    public var nodes: [KubeNode] = []
    public var pools: [NodePool] = []
    public var claims: [NodeClaim] = []
    /// A pod of each daemon set, as it would be on a new node.
    public var daemonSets: [ScheduledPod] = []
    public var machines: [CloudMachine] = []
    public var types: [CloudMachineType] = []
    /// Names of types of which the cloud has said not long ago that it has none left.
    public var unavailable: Set<String> = []

    public init() {}

    /// The machine that was started for a claim.
    func machine(of claim: NodeClaim) -> CloudMachine? {
        if !claim.providerID.isEmpty { return machines.first { $0.providerID == claim.providerID } }
        return claim.name.uid.isEmpty ? nil : machines.first { $0.clientToken == claim.name.uid }
    }

    /// The node of a claim's machine.
    func node(of claim: NodeClaim) -> KubeNode? {
        guard !claim.providerID.isEmpty else { return nil }
        // A node that no cloud controller has completed has no provider id.
        let name = machine(of: claim)?.node ?? claim.nodeName
        return nodes.first { $0.providerID == claim.providerID || $0.providerID.isEmpty && $0.name.name == name }
    }

    func claim(of node: KubeNode) -> NodeClaim? { claims.first { self.node(of: $0)?.name == node.name } }

    func pods(on node: KubeNode) -> [ScheduledPod] { pods.filter { $0.node == node.name.name } }

    /// Nodes on which pods can be, and machines that will be such.
    var rooms: [NodeRoom] {
        var rooms: [NodeRoom] = []
        for node in nodes where !node.isTerminating {
            let claim = claim(of: node)
            if claim?.isTerminating == true { continue }
            rooms.append(NodeRoom(node, claim: claim, pods: pods(on: node)))
        }
        for claim in claims where !claim.isTerminating && node(of: claim) == nil {
            let pool = pools.first { $0.name.name == claim.pool }
            let type = type(of: claim)
            let plan = pool.map { NodePlan($0, types: types, daemonSets: daemonSets) }
            rooms.append(NodeRoom(onItsWay: claim, type: type, overhead: plan?.overhead ?? ResourceAmounts()))
        }
        return rooms
    }

    /// The type of machine that a claim asks for, the first by name if there are several; nil if none will do.
    func type(of claim: NodeClaim) -> CloudMachineType? {
        let required = LabelRequirements(claim.requirements)
        return types.sorted { $0.name < $1.name }.first { type in
            type.labels.objection(to: required, undefined: Set(required.byKey.keys)) == nil
                && type.allocatableAmounts.holds(claim.requests)
        }
    }

    /// The capacity of all nodes of each pool, with machines that are on their way. The number of nodes is in `nodes`.
    var used: [String: ResourceAmounts] {
        var used: [String: ResourceAmounts] = [:]
        for claim in claims where !claim.pool.isEmpty {
            let own =
                claim.capacity.milli.isEmpty ? type(of: claim)?.capacityAmounts ?? ResourceAmounts() : claim.capacity
            used[claim.pool, default: ResourceAmounts()] =
                used[claim.pool, default: ResourceAmounts()] + own + ResourceAmounts(milli: ["nodes": 1000])
        }
        return used
    }
}
