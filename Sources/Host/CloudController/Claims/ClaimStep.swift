public import CloudAPI
import JSON

/// The next step of a claim: what to do about its machine and its node, and what its status says then.
public struct ClaimStep: Sendable, Hashable {
    public enum Action: Sendable, Hashable {
        /// Ask the cloud for a machine of this type. The cloud knows a claim by its uid.
        case launch(type: String, KubeletUserData)
        /// Labels and taints of the node are written, see `NodeChange`.
        case change(NodeChange)
        case evict(ObjectName)
        case terminate(instance: String)
        case deleteNode(ObjectName)
        /// The claim is deleted; its finalizer keeps it until the machine has gone.
        case delete
        case removeFinalizer
    }
    public var actions: [Action] = []
    /// The claim with the status that is to be written.
    public var claim: NodeClaim
    public var events: [ControllerEvent] = []

    /// How long a machine may take until its node is there.
    static let registrationLimit = Duration.seconds(15 * 60)

    /// - Parameters:
    ///   - age: The time since the claim was made.
    ///   - emptySince: How long no pod but those of daemon sets has been on the node; nil while one is there.
    ///   - time: Now, as an object's timestamp.
    public init(
        _ claim: NodeClaim, in view: ClusterView, age: Duration, emptySince: Duration? = nil, time: String
    ) {
        self.claim = claim
        let machine = view.machine(of: claim)
        let node = view.node(of: claim)
        if claim.isTerminating {
            terminate(machine, node, view)
        } else if !claim.isTrue(.launched) {
            launch(machine, view)
        } else if machine == nil || machine?.state == .terminated {
            // The machine has gone by itself: there is nothing left to wait for. One without a node never came up.
            if let machine, !claim.isTrue(.registered) { tellFailure(of: machine) }
            actions.append(.delete)
        } else if !claim.isTrue(.registered) {
            register(node, age)
        } else if !claim.isTrue(.initialized) {
            initialize(node)
        } else if let node {
            consolidate(node, view, emptySince)
        }
        guard !claim.isTerminating, !actions.contains(.delete) else { return }
        judge()
        stamp(claim, time)
    }

    // MARK: Launch

    private mutating func launch(_ machine: CloudMachine?, _ view: ClusterView) {
        guard let machine else {
            set(.init(.launched, "Unknown", "AwaitingReconciliation", "object is awaiting reconciliation"))
            guard let type = view.type(of: claim), !view.unavailable.contains(type.name) else {
                refuse("no instance type of the cloud meets the claim's requirements, or none is left")
                return
            }
            actions.append(.launch(type: type.name, userData))
            return
        }
        guard machine.state != .terminated else {
            tellFailure(of: machine)
            actions.append(.delete)
            return
        }
        claim.providerID = machine.providerID
        if let type = view.types.first(where: { $0.name == machine.instanceType }) {
            claim.capacity = type.capacityAmounts
            claim.allocatable = type.allocatableAmounts
        }
        set(.init(.launched, "True", "Launched"))
        set(.init(.registered, "Unknown", "NodeNotFound", "Node not registered with cluster"))
        set(.init(.initialized, "Unknown", "NodeNotFound", "Node not registered with cluster"))
    }

    private mutating func tellFailure(of machine: CloudMachine) {
        let reason = machine.stateReason.isEmpty ? "it ended" : machine.stateReason
        events.append(.warning(.claim(claim.name), "LaunchFailed", "NodeClaim \(claim.name.name) event: \(reason)"))
    }

    /// Says that the cloud has no machine for the claim, and gives the claim up. Pods that wait get another one, or are
    /// told why not.
    public mutating func refuse(_ reason: String) {
        events.append(
            .warning(
                .claim(claim.name), "InsufficientCapacityError",
                "NodeClaim \(claim.name.name) event: insufficient capacity, \(reason)"))
        actions = [.delete]
    }

    /// What the kubelet registers with. Startup taints are never put on later: somebody may have taken one off already.
    private var userData: KubeletUserData {
        var labels = claim.labels.merging(LabelRequirements(claim.requirements).singleValues) { own, _ in own }
        // A kubelet may not set labels of Kubernetes' own names; the autoscaler writes them when the node is there.
        labels = labels.filter { !Self.isReserved($0.key) }
        let taints = claim.taints + claim.startupTaints + [.unregistered]
        return KubeletUserData(
            labels: labels,
            taints: taints.map { KubeletUserData.Taint(key: $0.key, value: $0.value, effect: $0.effect) })
    }

    /// Whether the API server refuses it from a kubelet (NodeRestriction).
    private static func isReserved(_ label: String) -> Bool {
        let domain = label.split(separator: "/").first.map(String.init) ?? ""
        guard label.contains("/") else { return false }
        return ["kubernetes.io", "k8s.io"].contains { domain == $0 || domain.hasSuffix("." + $0) }
            && !domain.hasSuffix("kubelet.kubernetes.io") && !domain.hasSuffix("node.kubernetes.io")
    }

    // MARK: Registration and initialization

    private mutating func register(_ node: KubeNode?, _ age: Duration) {
        guard let node else {
            set(.init(.registered, "Unknown", "NodeNotFound", "Node not registered with cluster"))
            if age > Self.registrationLimit {
                events.append(
                    .warning(
                        .claim(claim.name), "RegistrationTimeout",
                        "NodeClaim \(claim.name.name) event: node not registered within 15 minutes"))
                actions.append(.delete)
            }
            return
        }
        let known = claim.labels.merging(LabelRequirements(claim.requirements).singleValues) { own, _ in own }
        var change = NodeChange(node)
        change.labels = known.merging(["karpenter.sh/registered": "true"]) { own, _ in own }
        for taint in claim.taints where !node.has(taint) { change.addedTaints.append(taint) }
        change.removedTaints = [.unregistered]
        change.annotations = claim.annotations
        change.owner = claim.name
        if !change.isEmpty(for: node) { actions.append(.change(change)) }
        claim.nodeName = node.name.name
        set(.init(.registered, "True", "Registered"))
        initialize(node)
    }

    private mutating func initialize(_ node: KubeNode?) {
        guard let node else {
            set(.init(.initialized, "Unknown", "NodeNotFound", "Node not registered with cluster"))
            return
        }
        if !node.isReady {
            set(.init(.initialized, "Unknown", "NodeNotReady", "Node status is NodeNotReady"))
        } else if let taint = claim.startupTaints.first(where: node.has) {
            set(
                .init(
                    .initialized, "Unknown", "StartupTaintsExist", "StartupTaint \"\(taint)\" still exists"))
        } else if let taint = Taint.passing.first(where: { $0 != .unregistered && node.has($0) }) {
            set(
                .init(
                    .initialized, "Unknown", "KnownEphemeralTaintsExist",
                    "KnownEphemeralTaint \"\(taint)\" still exists"))
        } else if let name = missingResource(node) {
            set(
                .init(
                    .initialized, "Unknown", "ResourceNotRegistered",
                    "Resource \"\(name)\" was requested but not registered"))
        } else {
            var change = NodeChange(node)
            change.labels = ["karpenter.sh/initialized": "true"]
            if !change.isEmpty(for: node) { actions.append(.change(change)) }
            claim.capacity = node.capacity
            claim.allocatable = node.allocatable
            set(.init(.initialized, "True", "Initialized"))
        }
    }

    private func missingResource(_ node: KubeNode) -> String? {
        claim.requests.milli.filter { $0.value > 0 && node.allocatable[$0.key] == 0 }.keys.min()
    }

    // MARK: Empty nodes

    private mutating func consolidate(_ node: KubeNode, _ view: ClusterView, _ emptySince: Duration?) {
        guard let pool = view.pools.first(where: { $0.name.name == claim.pool }), let wait = pool.consolidateAfter
        else { return }
        guard let emptySince, emptySince >= wait else {
            if claim.isTrue(.consolidatable) {
                set(.init(.consolidatable, "False", "NotConsolidatable"))
            }
            return
        }
        set(.init(.consolidatable, "True", "Consolidatable"))
        events.append(
            .normal(.claim(claim.name), "DisruptionTerminating", "Disrupting NodeClaim: Empty"))
        events.append(.normal(.node(node.name), "DisruptionTerminating", "Disrupting Node: Empty"))
        actions.append(.delete)
    }

    // MARK: The end

    private mutating func terminate(_ machine: CloudMachine?, _ node: KubeNode?, _ view: ClusterView) {
        guard claim.finalizers.contains(NodeClaim.finalizer) else { return }
        if let node {
            if !node.has(.disrupted) {
                var change = NodeChange(node)
                change.addedTaints = [.disrupted]
                actions.append(.change(change))
            }
            let left = view.pods(on: node).filter {
                !$0.isOver && !$0.isOfNode && $0.tolerations.intolerable([.disrupted]) != nil
            }
            // A machine that has ended runs nothing any more.
            if !left.isEmpty, machine?.state == .running || machine?.state == .pending {
                actions += left.filter { !$0.isTerminating }.map { .evict($0.name) }
                return
            }
        }
        if let machine, machine.state != .terminated {
            if machine.state != .shuttingDown { actions.append(.terminate(instance: machine.instanceID)) }
            return
        }
        if let node { actions.append(.deleteNode(node.name)) }
        actions.append(.removeFinalizer)
    }

    // MARK: Conditions

    private mutating func set(_ condition: ClaimCondition) {
        if let index = claim.conditions.firstIndex(where: { $0.type == condition.type }) {
            let old = claim.conditions[index]
            claim.conditions[index] = condition
            claim.conditions[index].changed = old.changed
        } else {
            claim.conditions.append(condition)
        }
    }

    /// Sets the condition that sums up the others.
    private mutating func judge() {
        let kinds: [ClaimCondition.Kind] = [.launched, .registered, .initialized]
        if let open = kinds.first(where: { !claim.isTrue($0) }) {
            set(.init(.ready, "Unknown", "ReconcilingDependents", "\(open.rawValue)=Unknown"))
        } else {
            set(.init(.ready, "True", "Ready"))
        }
    }

    /// Dates what has changed, and tells it.
    private mutating func stamp(_ before: NodeClaim, _ time: String) {
        for index in claim.conditions.indices {
            let now = claim.conditions[index]
            let old = before.conditions.first { $0.type == now.type }
            guard old?.status != now.status else { continue }
            claim.conditions[index].changed = time
            guard now.status == "True" else { continue }
            events.append(
                .normal(
                    .claim(claim.name), now.type,
                    "Status condition transitioned, Type: \(now.type), Status: \(old?.status ?? "Unknown") -> True, "
                        + "Reason: \(now.reason)"))
        }
    }
}
