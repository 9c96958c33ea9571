import JSON

/// The node's own object, its conditions and its lease, as a kubelet keeps them.
struct NodePresence: Sendable {
    static let leaseDuration: Int64 = 40
    static let leaseInterval = Duration.seconds(10)
    /// A status that has not changed is written this often.
    static let reportInterval = Duration.seconds(300)
    /// A status that has changed and could not be written is written again.
    static let retryInterval = Duration.seconds(10)
    /// How long pressure is told after it has passed.
    static let pressureTransition = Duration.seconds(300)

    private let settings: KubeletSettings
    private var conditions: [Condition] = []
    /// Whether the object has been written once.
    private var hasRegistered = false
    private var isInFlight = false
    private var leaseDue = Duration.zero
    private var reportDue = Duration.zero
    private var written: [Condition] = []
    private var pressureUntil: Duration?
    private(set) var labels: [String: String]
    /// The UID of the node's object; nil before it has been seen.
    private(set) var uid: String?
    private var hasSeenObject = false

    init(_ settings: KubeletSettings) {
        self.settings = settings
        labels = Self.ownLabels(settings)
    }

    var hasMemoryPressure: Bool { conditions.first { $0.type == "MemoryPressure" }?.status ?? false }
    var deadline: Duration {
        min(leaseDue, isInFlight ? .seconds(1 << 40) : reportDue, pressureUntil ?? .seconds(1 << 40))
    }

    private static func ownLabels(_ settings: KubeletSettings) -> [String: String] {
        let own = [
            "kubernetes.io/hostname": settings.nodeName, "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": settings.system.architecture, "beta.kubernetes.io/arch": settings.system.architecture,
        ]
        return own.merging(settings.labels) { $1 }
    }

    // MARK: What is told

    /// The node's object as the API server has it.
    mutating func take(_ object: JSONValue, _ world: inout World) {
        uid = object["metadata"]?["uid"]?.text ?? uid
        if let given = object["metadata"]?["labels"]?.members { labels = given.compactMapValues(\.text) }
        guard !hasSeenObject else { return }
        hasSeenObject = true
        let boot = object["status"]?["nodeInfo"]?["bootID"]?.text ?? ""
        if !boot.isEmpty, boot != settings.system.bootID {
            world.record(
                .node(settings.nodeName), .warning, "Rebooted",
                "Node \(settings.nodeName) has been rebooted, boot id: \(settings.system.bootID)")
        }
    }

    /// Whether the node has less memory left than it may, which it tells as a condition from now on.
    mutating func isShort(of usage: NodeUsage, _ world: inout World) -> Bool {
        guard settings.evictionMemory > 0, usage.memoryAvailable < settings.evictionMemory else { return false }
        pressureUntil = world.now.monotonic + Self.pressureTransition
        return true
    }

    func tellAttempt(_ world: inout World) {
        world.record(
            .node(settings.nodeName), .warning, "EvictionThresholdMet", "Attempting to reclaim memory")
    }

    // MARK: What is written

    mutating func advance(_ world: inout World) {
        let now = world.now
        if let until = pressureUntil, now.monotonic >= until { pressureUntil = nil }
        judge(&world)
        // What failed is written again after a while; what has changed, at once.
        let isDue = now.monotonic >= reportDue || !written.isEmpty && conditions != written
        if isDue, !isInFlight {
            world.actions.append(
                hasRegistered ? .patchNodeStatus(.object(["status": status(now)])) : .registerNode(object(now)))
            wrote(now)
        }
        if now.monotonic >= leaseDue {
            leaseDue = now.monotonic + Self.leaseInterval
            world.actions.append(.renewLease(lease(now)))
        }
    }

    mutating func take(_ outcome: Outcome<Empty>, _ world: inout World) {
        isInFlight = false
        guard case .failure = outcome else {
            hasRegistered = true
            return
        }
        written = []
        reportDue = world.now.monotonic + Self.retryInterval
    }

    private mutating func wrote(_ now: KubeletTime) {
        isInFlight = true
        written = conditions
        reportDue = now.monotonic + Self.reportInterval
    }

    private mutating func judge(_ world: inout World) {
        let time = world.now.timestamp
        let judged = [
            Condition.memoryPressure(pressureUntil != nil, at: time), .diskPressure(at: time), .pidPressure(at: time),
            .ready(networkProblem: world.networkProblem, at: time),
        ]
        let isFirst = conditions.isEmpty
        if isFirst { world.record(.node(settings.nodeName), .normal, "Starting", "Starting kubelet.") }
        for (index, var condition) in judged.enumerated() {
            let old = isFirst ? nil : conditions[index]
            if let old, old.status == condition.status { condition.changed = old.changed }
            if isFirst { conditions.append(condition) } else { conditions[index] = condition }
            guard old?.status != condition.status, let event = Self.event(condition, isFirst: isFirst) else { continue }
            world.record(
                .node(settings.nodeName), .normal, event, "Node \(settings.nodeName) status is now: \(event)")
        }
        if isFirst {
            world.record(
                .node(settings.nodeName), .normal, "NodeAllocatableEnforced",
                "Updated Node Allocatable limit across pods")
        }
    }

    /// The reason of the event for a condition that has changed. That a node is ready or not is told only as a change.
    private static func event(_ condition: Condition, isFirst: Bool) -> String? {
        switch condition.type {
        case "MemoryPressure": condition.status ? "NodeHasInsufficientMemory" : "NodeHasSufficientMemory"
        case "DiskPressure": condition.status ? "NodeHasDiskPressure" : "NodeHasNoDiskPressure"
        case "PIDPressure": condition.status ? "NodeHasInsufficientPID" : "NodeHasSufficientPID"
        default: isFirst ? nil : condition.status ? "NodeReady" : "NodeNotReady"
        }
    }

    private func object(_ now: KubeletTime) -> JSONValue {
        var spec: [String: JSONValue] = [:]
        if let id = settings.providerID { spec["providerID"] = .string(id) }
        if let range = settings.podCIDR {
            spec["podCIDR"] = .string(range)
            spec["podCIDRs"] = .array([.string(range)])
        }
        if !settings.taints.isEmpty {
            spec["taints"] = .array(
                settings.taints.map {
                    var taint: [String: JSONValue] = ["key": .string($0.key), "effect": .string($0.effect)]
                    if !$0.value.isEmpty { taint["value"] = .string($0.value) }
                    return .object(taint)
                })
        }
        return .object([
            "apiVersion": .string("v1"), "kind": .string("Node"),
            "metadata": .object([
                "name": .string(settings.nodeName),
                "labels": .object(Self.ownLabels(settings).mapValues(JSONValue.string)),
                "annotations": .object([
                    "volumes.kubernetes.io/controller-managed-attach-detach": .string("true")
                ]),
            ]),
            "spec": .object(spec), "status": status(now),
        ])
    }

    private func status(_ now: KubeletTime) -> JSONValue {
        let resources = settings.resources
        func list(_ memory: Int64) -> JSONValue {
            .object([
                "cpu": .string(
                    resources.milliCPU % 1000 == 0 ? "\(resources.milliCPU / 1000)" : "\(resources.milliCPU)m"),
                "memory": .string("\(memory / 1024)Ki"), "pods": .string("\(resources.pods)"),
                "ephemeral-storage": .string("\(resources.ephemeralStorage / 1024)Ki"),
            ])
        }
        let system = settings.system
        return .object([
            "addresses": .array(
                settings.addresses.map { .object(["type": .string($0.type), "address": .string($0.address)]) }),
            "capacity": list(resources.memory), "allocatable": list(resources.memory - resources.reservedMemory),
            "conditions": .array(
                conditions.map {
                    .object([
                        "type": .string($0.type), "status": .string($0.statusText), "reason": .string($0.reason),
                        "message": .string($0.message), "lastTransitionTime": .string($0.changed),
                        "lastHeartbeatTime": .string(now.timestamp),
                    ])
                }),
            "daemonEndpoints": .object([
                "kubeletEndpoint": .object(["Port": .integer(Int64(settings.kubeletPort))])
            ]),
            "nodeInfo": .object(
                [
                    "machineID": system.machineID, "systemUUID": system.systemUUID, "bootID": system.bootID,
                    "kernelVersion": system.kernelVersion, "osImage": system.osImage,
                    "containerRuntimeVersion": system.containerRuntimeVersion,
                    "kubeletVersion": system.kubeletVersion, "kubeProxyVersion": system.kubeletVersion,
                    "operatingSystem": "linux", "architecture": system.architecture,
                ].mapValues(JSONValue.string)),
        ])
    }

    private func lease(_ now: KubeletTime) -> JSONValue {
        var metadata: [String: JSONValue] = [
            "name": .string(settings.nodeName), "namespace": .string("kube-node-lease"),
        ]
        if let uid {
            metadata["ownerReferences"] = .array([
                .object([
                    "apiVersion": .string("v1"), "kind": .string("Node"), "name": .string(settings.nodeName),
                    "uid": .string(uid),
                ])
            ])
        }
        return .object([
            "apiVersion": .string("coordination.k8s.io/v1"), "kind": .string("Lease"), "metadata": .object(metadata),
            "spec": .object([
                "holderIdentity": .string(settings.nodeName), "leaseDurationSeconds": .integer(Self.leaseDuration),
                "renewTime": .string(now.microTimestamp),
            ]),
        ])
    }
}
