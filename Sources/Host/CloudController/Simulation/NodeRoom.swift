import CloudAPI

/// A node that is there, or a machine that is on its way, and what room it has.
public struct NodeRoom: Sendable, Hashable {
    /// The node's name; empty for a machine whose node is not there yet.
    public var node = ""
    /// The name of the claim that it is of; empty for a node that no autoscaler has made.
    public var claim = ""
    /// Those that keep pods away when the node is as it will be.
    var taints: [Taint] = []
    var labels: LabelRequirements
    var room: ResourceAmounts
    var neighbours = Neighbours()
    /// Whether pods can be put on it now: it is initialized, or of nobody.
    var isInitialized = true

    /// A node with the pods that are on it.
    ///
    /// A claim's node that is not initialized yet is taken as it will be then: without its startup taints, and without
    /// those that pass by themselves. Any other node is taken as it is.
    init(_ node: KubeNode, claim: NodeClaim?, pods: [ScheduledPod]) {
        self.node = node.name.name
        self.claim = claim?.name.name ?? ""
        isInitialized = claim.map { $0.isTrue(.initialized) } ?? true
        let passing = isInitialized ? [] : Taint.passing + (claim?.startupTaints ?? [])
        taints = node.taints.filter { taint in !passing.contains { $0.isSame(as: taint) } }
        if node.isUnschedulable { taints.append(Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")) }
        labels = LabelRequirements(labels: node.labels)
        if let claim, !isInitialized {
            let known = claim.labels.merging(LabelRequirements(claim.requirements).singleValues) { own, _ in own }
            for (key, value) in known where node.labels[key] == nil { labels.add(LabelRequirement(key, is: value)) }
        }
        // A node that has just registered may not have written all of its resources.
        let total = node.allocatable.milli.isEmpty ? claim?.allocatable ?? ResourceAmounts() : node.allocatable
        room = total
        for pod in pods where !pod.isOver { take(pod) }
    }

    /// A machine whose node is not there yet.
    ///
    /// - Parameter overhead: What the pods of daemon sets will take of it.
    init(onItsWay claim: NodeClaim, type: CloudMachineType?, overhead: ResourceAmounts) {
        self.claim = claim.name.name
        isInitialized = false
        taints = claim.taints
        labels = LabelRequirements(claim.requirements).adding(LabelRequirements(labels: claim.labels))
        if let type { labels = labels.adding(type.labels) }
        let total = claim.allocatable.milli.isEmpty ? type?.allocatableAmounts ?? ResourceAmounts() : claim.allocatable
        room = total - overhead
    }

    /// Why a pod cannot be on it; nil if it can.
    func objection(to pod: ScheduledPod) -> String? {
        if let taint = pod.tolerations.intolerable(taints) { return "did not tolerate \(taint)" }
        if let conflict = neighbours.conflict(with: pod) { return conflict }
        guard room.holds(pod.requests) else { return "exceeds node resources" }
        var objection: String?
        for alternative in pod.alternatives {
            objection = labels.objection(to: alternative, undefined: ["kubernetes.io/hostname"])
            if objection == nil { return nil }
        }
        return objection.map { "incompatible requirements, \($0)" }
    }

    mutating func take(_ pod: ScheduledPod) {
        room = room - pod.requests
        neighbours.take(pod)
    }
}

/// The pods of a node, as far as others may not be beside them.
struct Neighbours: Sendable, Hashable {
    private struct Pod: Hashable {
        var namespace: String
        var labels: [String: String]
        var repels: [LabelSelector]
    }
    private var ports: [HostPort] = []
    private var pods: [Pod] = []

    mutating func take(_ pod: ScheduledPod) {
        ports += pod.hostPorts
        pods.append(Pod(namespace: pod.name.namespace, labels: pod.labels, repels: pod.repels))
    }

    /// Why a pod cannot be beside them; nil if it can.
    func conflict(with pod: ScheduledPod) -> String? {
        for port in pod.hostPorts.sorted(by: { ($0.port, $0.address) < ($1.port, $1.address) }) {
            guard let taken = ports.first(where: { $0.conflicts(with: port) }) else { continue }
            return "checking host port usage, \(port) conflicts with existing HostPort configuration \(taken)"
        }
        let others = pods.lazy.filter { $0.namespace == pod.name.namespace }
        let isRepelled = others.contains { other in
            pod.repels.contains { $0.holds(for: other.labels) } || other.repels.contains { $0.holds(for: pod.labels) }
        }
        return isRepelled
            ? "unsatisfiable topology constraint for pod anti-affinity, key=kubernetes.io/hostname" : nil
    }
}
