import JSON

/// `v1.Taint`. Two with the same key and effect are one for a node.
public struct Taint: Sendable, Hashable, Codable, CustomStringConvertible {
    public var key: String
    public var value: String
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    public var effect: String

    public init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    init(_ object: JSONValue) throws(UnreadableObject) {
        guard let key = object.at("key")?.text, let effect = object.at("effect")?.text else {
            throw UnreadableObject("a taint has no key or no effect")
        }
        self.init(key: key, value: object.at("value")?.text ?? "", effect: effect)
    }

    /// `node.cilium.io/agent-not-ready=true:NoSchedule`, as kubectl writes it.
    public var description: String { value.isEmpty ? "\(key):\(effect)" : "\(key)=\(value):\(effect)" }

    var json: JSONValue {
        var members: [String: JSONValue] = ["key": .string(key), "effect": .string(effect)]
        if !value.isEmpty { members["value"] = .string(value) }
        return .object(members)
    }

    /// Whether both are the same one for a node, whatever their values.
    func isSame(as other: Taint) -> Bool { key == other.key && effect == other.effect }
}

/// `v1.Toleration`
public struct Toleration: Sendable, Hashable {
    var key = ""
    /// `Equal` or `Exists`
    var comparison = "Equal"
    var value = ""
    /// Empty for all effects.
    var effect = ""

    init(key: String, comparison: String = "Equal", value: String = "", effect: String = "") {
        (self.key, self.comparison, self.value, self.effect) = (key, comparison, value, effect)
    }

    init(_ object: JSONValue) {
        key = object.at("key")?.text ?? ""
        comparison = object.at("operator")?.text ?? "Equal"
        value = object.at("value")?.text ?? ""
        effect = object.at("effect")?.text ?? ""
    }

    func tolerates(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect, key.isEmpty || key == taint.key else { return false }
        return comparison == "Exists" || (comparison.isEmpty || comparison == "Equal") && value == taint.value
    }
}

extension [Toleration] {
    /// The first taint that keeps a pod with these tolerations away. One of effect `PreferNoSchedule` keeps none away.
    func intolerable(_ taints: [Taint]) -> Taint? {
        taints.first { taint in taint.effect != "PreferNoSchedule" && !contains { $0.tolerates(taint) } }
    }
}

extension Taint {
    /// Taints that Kubernetes and its clouds put on a node that has just come, and take off themselves.
    static let passing = [
        Taint(key: "node.kubernetes.io/not-ready", effect: "NoSchedule"),
        Taint(key: "node.kubernetes.io/not-ready", effect: "NoExecute"),
        Taint(key: "node.kubernetes.io/unreachable", effect: "NoSchedule"),
        uninitialized, unregistered,
    ]
    /// What a kubelet registers with where a cloud controller is to complete its node.
    public static let uninitialized = Taint(
        key: "node.cloudprovider.kubernetes.io/uninitialized", value: "true", effect: "NoSchedule")
    /// On a node of a machine that the cloud has stopped.
    static let shutdown = Taint(key: "node.cloudprovider.kubernetes.io/shutdown", effect: "NoSchedule")
    /// What a launched machine's kubelet registers with until the autoscaler has seen its node.
    public static let unregistered = Taint(key: "karpenter.sh/unregistered", effect: "NoExecute")
    /// On a node that the autoscaler empties.
    static let disrupted = Taint(key: "karpenter.sh/disrupted", effect: "NoSchedule")
}
