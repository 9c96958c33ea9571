public import JSON

/// What an autoscaler and a cloud controller look at of a node.
public struct KubeNode: Sendable, Hashable {
    public let name: ObjectName
    public var resourceVersion = ""
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var taints: [Taint] = []
    public var isUnschedulable = false
    public var isTerminating = false
    public var providerID = ""
    /// The ranges of its pods' addresses, as `spec` has them.
    public var podCIDRs: [String] = []
    public var capacity = ResourceAmounts()
    public var allocatable = ResourceAmounts()
    /// The status of the condition `Ready`: `True`, `False`, `Unknown`; empty before there is one.
    public var ready = ""
    /// The condition `NetworkUnavailable`; nil before there is one.
    public var networkUnavailable: NetworkCondition?
    /// Types and addresses in their order.
    public var addresses: [Address] = []

    /// `v1.NodeAddress`
    public struct Address: Sendable, Hashable, Comparable {
        public var type: String
        public var address: String
        public init(_ type: String, _ address: String) { (self.type, self.address) = (type, address) }
        public static func < (one: Self, other: Self) -> Bool {
            (one.type, one.address) < (other.type, other.address)
        }
    }

    /// The status of `NetworkUnavailable`, and the reason, by which one sees who wrote it.
    public struct NetworkCondition: Sendable, Hashable {
        public var isUnavailable: Bool
        public var reason: String
        public init(isUnavailable: Bool, reason: String) {
            self.isUnavailable = isUnavailable
            self.reason = reason
        }
    }

    public init(name: ObjectName) { self.name = name }

    /// - Throws: `UnreadableObject`.
    public init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        if let metadata = object.at("metadata") {
            labels = try metadata.textMap("labels")
            annotations = try metadata.textMap("annotations")
            resourceVersion = metadata.at("resourceVersion")?.text ?? ""
            isTerminating = metadata.at("deletionTimestamp") != nil
        }
        if let spec = object.at("spec") {
            taints = try spec.list("taints").map { try Taint($0) }
            isUnschedulable = spec.flag("unschedulable")
            providerID = spec.at("providerID")?.text ?? ""
            podCIDRs = try spec.texts("podCIDRs")
            // One object may have the older field only.
            if podCIDRs.isEmpty, let range = spec.at("podCIDR")?.text, !range.isEmpty { podCIDRs = [range] }
        }
        guard let status = object.at("status") else { return }
        capacity = try status.amounts("capacity")
        allocatable = try status.amounts("allocatable")
        let conditions = try status.list("conditions")
        ready = conditions.first { $0.at("type")?.text == "Ready" }?.at("status")?.text ?? ""
        networkUnavailable = conditions.first { $0.at("type")?.text == "NetworkUnavailable" }.map {
            NetworkCondition(
                isUnavailable: $0.at("status")?.text == "True", reason: $0.at("reason")?.text ?? "")
        }
        addresses = try status.list("addresses").compactMap { one in
            guard let type = one.at("type")?.text, let address = one.at("address")?.text else { return nil }
            return Address(type, address)
        }
    }

    public var isReady: Bool { ready == "True" }

    func has(_ taint: Taint) -> Bool { taints.contains { $0.isSame(as: taint) } }
}
