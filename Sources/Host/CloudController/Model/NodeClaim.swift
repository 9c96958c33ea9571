public import JSON

/// `karpenter.sh/v1` `NodeClaim`: one machine that an autoscaler wants, and what has become of it.
public struct NodeClaim: Sendable, Hashable {
    public let name: ObjectName
    /// The pool that it is of; empty for one that somebody has made by hand.
    public var pool = ""
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var taints: [Taint] = []
    public var startupTaints: [Taint] = []
    public var requirements: [LabelRequirement] = []
    public var requests = ResourceAmounts()
    /// When it was made, as the API server has written it.
    public var created = ""
    public var isTerminating = false
    public var finalizers: [String] = []
    // What follows is the status.
    public var providerID = ""
    public var nodeName = ""
    public var capacity = ResourceAmounts()
    public var allocatable = ResourceAmounts()
    public var conditions: [ClaimCondition] = []

    public init(name: ObjectName) { self.name = name }

    /// - Throws: `UnreadableObject`.
    public init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        if let metadata = object.at("metadata") {
            labels = try metadata.textMap("labels")
            annotations = try metadata.textMap("annotations")
            finalizers = try metadata.texts("finalizers")
            created = metadata.at("creationTimestamp")?.text ?? ""
            isTerminating = metadata.at("deletionTimestamp") != nil
        }
        pool = labels[NodePool.label] ?? ""
        guard let spec = object.at("spec") else { throw UnreadableObject("the claim has no spec") }
        taints = try spec.list("taints").map { try Taint($0) }
        startupTaints = try spec.list("startupTaints").map { try Taint($0) }
        requirements = try spec.list("requirements").map { try LabelRequirement($0) }
        requests = try spec.at("resources").map { try $0.amounts("requests") } ?? ResourceAmounts()
        guard let status = object.at("status") else { return }
        providerID = status.at("providerID")?.text ?? ""
        nodeName = status.at("nodeName")?.text ?? ""
        capacity = try status.amounts("capacity")
        allocatable = try status.amounts("allocatable")
        conditions = try status.list("conditions").compactMap(ClaimCondition.init)
    }

    public func isTrue(_ type: ClaimCondition.Kind) -> Bool {
        conditions.contains { $0.type == type.rawValue && $0.status == "True" }
    }

    public static let finalizer = "karpenter.sh/termination"
}

/// A condition of a claim.
public struct ClaimCondition: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case launched = "Launched"
        case registered = "Registered"
        case initialized = "Initialized"
        case ready = "Ready"
        case consolidatable = "Consolidatable"
    }
    public var type: String
    /// `True`, `False` or `Unknown`
    public var status: String
    public var reason: String
    public var message: String
    /// Since when it has its status, as text.
    public var changed = ""

    public init(_ kind: Kind, _ status: String, _ reason: String, _ message: String = "") {
        (type, self.status, self.reason, self.message) = (kind.rawValue, status, reason, message)
    }

    /// Nil for what has no type or no status.
    init?(_ object: JSONValue) {
        guard let type = object.at("type")?.text, let status = object.at("status")?.text else { return nil }
        self.type = type
        self.status = status
        reason = object.at("reason")?.text ?? ""
        message = object.at("message")?.text ?? ""
        changed = object.at("lastTransitionTime")?.text ?? ""
    }

    var json: JSONValue {
        .object([
            "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
            "lastTransitionTime": .string(changed),
        ])
    }
}
