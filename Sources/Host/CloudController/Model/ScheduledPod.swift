public import JSON

/// What an autoscaler looks at of a pod.
public struct ScheduledPod: Sendable, Hashable {
    public let name: ObjectName
    public var labels: [String: String] = [:]
    /// Empty while the pod is on no node.
    public var node = ""
    /// `Pending`, `Running`, `Succeeded`, `Failed`
    public var phase = "Pending"
    public var isTerminating = false
    /// Whether the scheduler has said that it finds no node (`PodScheduled` is false, `Unschedulable`).
    public var isUnschedulable = false
    /// The kinds of its owners, such as `ReplicaSet`. A static pod's owner is its `Node`.
    public var owners: [String] = []
    /// Requests of the containers, and one pod.
    public var requests = ResourceAmounts(milli: ["pods": 1000])
    public var nodeSelector: [String: String] = [:]
    /// The terms of the required node affinity, of which one must hold; empty if there is none.
    public var terms: [[LabelRequirement]] = []
    public var tolerations: [Toleration] = []
    public var hostPorts: Set<HostPort> = []
    /// Labels of pods of the same namespace with which it must not be on one node.
    public var repels: [LabelSelector] = []
    /// What it asks that is not simulated, in words; nil if there is nothing.
    public var unsimulated: String?

    public init(name: ObjectName) { self.name = name }

    /// Whether it is for the autoscaler to find a node for it. A daemon set's pods come with nodes, and no node is made
    /// for them.
    public var isForAutoscaler: Bool {
        node.isEmpty && isUnschedulable && !isTerminating && phase == "Pending" && !isOfNode
    }

    /// Whether it belongs to its node: a daemon set's, or a static pod.
    public var isOfNode: Bool { owners.contains("DaemonSet") || owners.contains("Node") }

    public var isOver: Bool { phase == "Succeeded" || phase == "Failed" }

    /// What it requires of a node's labels: the selector with each of the affinity's terms in turn.
    var alternatives: [LabelRequirements] {
        let selected = LabelRequirements(labels: nodeSelector)
        return terms.isEmpty ? [selected] : terms.map { selected.adding(LabelRequirements($0)) }
    }
}

/// A port of a node that a pod takes.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
    /// `0.0.0.0` for all addresses.
    var address: String
    var port: Int64
    var transport: String

    func conflicts(with other: HostPort) -> Bool {
        port == other.port && transport == other.transport
            && (address == other.address || address == "0.0.0.0" || other.address == "0.0.0.0")
    }

    public var description: String { "IP: \(address) Port: \(port) Proto: \(transport)" }
}

/// `metav1.LabelSelector`: holds for labels that meet all of its requirements.
public struct LabelSelector: Sendable, Hashable {
    var requirements: [LabelRequirement]

    init(_ object: JSONValue) throws(UnreadableObject) {
        requirements = try object.textMap("matchLabels").sorted { $0.key < $1.key }.map {
            LabelRequirement($0.key, is: $0.value)
        }
        for one in try object.list("matchExpressions") { requirements.append(try LabelRequirement(one)) }
    }

    func holds(for labels: [String: String]) -> Bool {
        requirements.allSatisfy { one in labels[one.key].map { one.allows($0) } ?? one.allowsAbsence }
    }
}

// MARK: Reading

extension ScheduledPod {
    /// - Throws: `UnreadableObject` for a pod that no API server would have let in.
    public init(_ object: JSONValue) throws {
        self.init(name: try ObjectName(object))
        labels = try object.at("metadata").map { value throws(UnreadableObject) in try value.textMap("labels") } ?? [:]
        isTerminating = object.at("metadata", "deletionTimestamp") != nil
        if let metadata = object.at("metadata") {
            owners = try metadata.list("ownerReferences").compactMap { $0.at("kind")?.text }
        }
        if let status = object.at("status") {
            phase = status.at("phase")?.text ?? "Pending"
            isUnschedulable = try status.list("conditions").contains {
                $0.at("type")?.text == "PodScheduled" && $0.at("status")?.text == "False"
                    && $0.at("reason")?.text == "Unschedulable"
            }
        }
        if let spec = object.at("spec") { try read(spec: spec) }
    }

    /// A pod of a daemon set's template, as it would be on a new node.
    ///
    /// - Throws: `UnreadableObject`.
    public init(ofDaemonSet object: JSONValue) throws {
        self.init(name: try ObjectName(object))
        owners = ["DaemonSet"]
        if let spec = object.at("spec", "template", "spec") { try read(spec: spec) }
        for effect in ["not-ready", "unreachable"].map({ "node.kubernetes.io/" + $0 }) {
            tolerations.append(Toleration(key: effect, comparison: "Exists"))
        }
    }

    private mutating func read(spec: JSONValue) throws {
        node = spec.at("nodeName")?.text ?? ""
        nodeSelector = try spec.textMap("nodeSelector")
        tolerations = try spec.list("tolerations").map(Toleration.init)
        var sum = ResourceAmounts()
        for container in try spec.list("containers") {
            sum = sum + (try container.at("resources").map { try $0.amounts("requests") } ?? ResourceAmounts())
            for port in try container.list("ports") {
                guard let number = port.at("hostPort")?.integerValue, number > 0 else { continue }
                let address = port.at("hostIP")?.text ?? ""
                hostPorts.insert(
                    HostPort(
                        address: address.isEmpty ? "0.0.0.0" : address, port: number,
                        transport: port.at("protocol")?.text ?? "TCP"))
            }
        }
        for container in try spec.list("initContainers") {
            sum = sum.most(try container.at("resources").map { try $0.amounts("requests") } ?? ResourceAmounts())
        }
        requests = sum + (try spec.amounts("overhead")) + ResourceAmounts(milli: ["pods": 1000])
        try read(affinity: spec.at("affinity"))
        let spreads = try spec.list("topologySpreadConstraints").filter {
            $0.at("whenUnsatisfiable")?.text != "ScheduleAnyway" && !Self.isWholeLab($0.at("topologyKey")?.text)
        }
        if let spread = spreads.first {
            unsimulated = "topology spread constraint for \(spread.at("topologyKey")?.text ?? "") is not simulated"
        }
    }

    private mutating func read(affinity: JSONValue?) throws {
        let required = "requiredDuringSchedulingIgnoredDuringExecution"
        if let terms = affinity?.at("nodeAffinity", required) {
            for term in try terms.list("nodeSelectorTerms") {
                // A node that is yet to come has no name that a field could match.
                guard try term.list("matchFields").isEmpty else {
                    unsimulated = "node affinity by fields is not simulated"
                    continue
                }
                let labels = try term.list("matchExpressions")
                if labels.isEmpty { continue }
                self.terms.append(try labels.map { try LabelRequirement($0) })
            }
        }
        for term in try affinity?.at("podAntiAffinity")?.list(required) ?? [] {
            let key = term.at("topologyKey")?.text
            guard key == "kubernetes.io/hostname", let selector = term.at("labelSelector"),
                try term.list("namespaces").isEmpty, term.at("namespaceSelector") == nil
            else {
                unsimulated = "pod anti-affinity for \(key ?? "") is not simulated"
                continue
            }
            repels.append(try LabelSelector(selector))
        }
        if let term = try affinity?.at("podAffinity")?.list(required).first {
            unsimulated = "pod affinity for \(term.at("topologyKey")?.text ?? "") is not simulated"
        }
    }

    /// Whether all nodes of a lab have the same value of a label, so that nothing needs to be spread.
    private static func isWholeLab(_ key: String?) -> Bool {
        key == "topology.kubernetes.io/zone" || key == "topology.kubernetes.io/region"
    }
}
