public import JSON

/// `karpenter.sh/v1` `NodePool`: what nodes an autoscaler may make.
public struct NodePool: Sendable, Hashable {
    public let name: ObjectName
    /// The pool with the largest weight is tried first.
    public var weight: Int64 = 0
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    /// Taints that stay: a pod that does not tolerate them has no use of the pool.
    public var taints: [Taint] = []
    /// Taints that a node has at first, and that somebody takes off it.
    public var startupTaints: [Taint] = []
    public var requirements: [LabelRequirement] = []
    /// `spec.template.spec.nodeClassRef`, which is passed on and not looked at.
    public var nodeClass: [String: String] = [:]
    /// The most of each resource that all nodes of the pool together may have; nil without limits.
    public var limits: ResourceAmounts?
    /// How long a node must be empty before it goes; nil for never.
    public var consolidateAfter: Duration?
    public var isTerminating = false

    public init(name: ObjectName) { self.name = name }

    /// - Throws: `UnreadableObject`.
    public init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        isTerminating = object.at("metadata", "deletionTimestamp") != nil
        guard let spec = object.at("spec") else { throw UnreadableObject("the pool has no spec") }
        weight = spec.at("weight")?.integerValue ?? 0
        if spec.at("limits") != nil { limits = try spec.amounts("limits") }
        if let metadata = spec.at("template", "metadata") {
            labels = try metadata.textMap("labels")
            annotations = try metadata.textMap("annotations")
        }
        guard let template = spec.at("template", "spec") else {
            throw UnreadableObject("the pool has no spec.template.spec")
        }
        taints = try template.list("taints").map { try Taint($0) }
        startupTaints = try template.list("startupTaints").map { try Taint($0) }
        requirements = try template.list("requirements").map { try LabelRequirement($0) }
        nodeClass = try template.textMap("nodeClassRef")
        let given = spec.at("disruption", "consolidateAfter")?.text ?? "0s"
        guard given != "Never" else { return }
        guard let duration = KubeDuration.duration(given) else {
            throw UnreadableObject("consolidateAfter \(given.prefix(40)) is no duration")
        }
        consolidateAfter = duration
    }

    /// The labels that a node of the pool is known to have, and what its other labels may be.
    var nodeRequirements: LabelRequirements {
        var all = LabelRequirements(requirements)
        for (key, value) in labels { all.add(LabelRequirement(key, is: value)) }
        all.add(LabelRequirement(Self.label, is: name.name))
        return all
    }

    public static let label = "karpenter.sh/nodepool"
}

/// Durations as manifests have them: `30s`, `5m`, `1h30m`.
enum KubeDuration {
    static func duration(_ text: String) -> Duration? {
        guard text.utf8.count <= 32, text != "0" else { return text == "0" ? .zero : nil }
        var (sum, number, hasUnit) = (Duration.zero, "", false)
        for character in text {
            if character.isNumber || character == "." {
                number.append(character)
                continue
            }
            guard let value = Double(number), value <= 1e9 else { return nil }
            switch character {
            case "s": sum += .seconds(value)
            case "m": sum += .seconds(value * 60)
            case "h": sum += .seconds(value * 3600)
            default: return nil
            }
            (number, hasUnit) = ("", true)
        }
        return number.isEmpty && hasUnit ? sum : nil
    }
}
