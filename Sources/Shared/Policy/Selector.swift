import KubeObjects

/// Requirements on labels; an empty selector selects everything.
public struct Selector: Sendable, Hashable {
    public struct Requirement: Sendable, Hashable {
        /// The label's source, or nil for any.
        public let source: String?
        public let name: String
        public let test: LabelSelector.Operator
        public let values: Set<String>

        func holds(for labels: SecurityLabels) -> Bool {
            let value =
                source.map { labels[SecurityLabels.Key(source: $0, name: name)] }
                ?? labels.value(ofAnySource: name)
            switch test {
            case .in: return value.map(values.contains) ?? false
            case .notIn: return !(value.map(values.contains) ?? false)
            case .exists: return value != nil
            case .doesNotExist: return value == nil
            }
        }
    }

    public private(set) var requirements: Set<Requirement> = []

    public init() {}

    public func selects(_ labels: SecurityLabels) -> Bool { requirements.allSatisfy { $0.holds(for: labels) } }

    mutating func require(
        _ source: String?, _ name: String, _ test: LabelSelector.Operator, _ values: Set<String> = []
    ) {
        requirements.insert(Requirement(source: source, name: name, test: test, values: values))
    }

    // The names that Cilium gives these labels.
    static let namespaceName = "io.kubernetes.pod.namespace"
    static let namespaceLabelPrefix = "io.cilium.k8s.namespace.labels."

    /// Limits the selector to the pods of a namespace.
    mutating func require(namespace: String) { require("k8s", Self.namespaceName, .in, [namespace]) }

    static func reserved(_ name: String) -> Selector {
        var selector = Selector()
        selector.require("reserved", name, .exists)
        return selector
    }
}

extension Selector {
    /// Adds a selector of NetworkPolicy: Kubernetes labels, each of whose names gets a prefix.
    mutating func require(
        kubernetes selector: LabelSelector, prefix: String = "", at place: PolicyPlace,
        _ refusals: inout [PolicyRefusal]
    ) {
        for (key, value) in selector.matchLabels { require("k8s", prefix + key, .in, [value]) }
        for (index, requirement) in selector.matchExpressions.enumerated() {
            refusals += Self.refusal(of: requirement, at: place["matchExpressions", index])
            require("k8s", prefix + requirement.key, requirement.operator, Set(requirement.values))
        }
    }

    /// Adds a selector of CiliumNetworkPolicy, in which a name may carry its source, like `k8s:app`, `any:app` or
    /// `reserved:host`.
    mutating func require(
        cilium selector: LabelSelector, at place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) {
        let keys = selector.matchLabels.map(\.key) + selector.matchExpressions.map(\.key)
        for name in Set(keys.map { Self.sourced($0).name }).intersection(Self.absent).sorted() {
            refusals.append(place.refuse("identities have no label \(name), so that it would select nobody"))
        }
        for (key, value) in selector.matchLabels {
            let (source, name) = Self.sourced(key)
            // A reserved label has no value.
            if source == "reserved" { require(source, name, .exists) } else { require(source, name, .in, [value]) }
        }
        for (index, requirement) in selector.matchExpressions.enumerated() {
            refusals += Self.refusal(of: requirement, at: place["matchExpressions", index])
            let (source, name) = Self.sourced(requirement.key)
            require(source, name, requirement.operator, Set(requirement.values))
        }
    }

    /// Says whether the selector itself names namespaces, or is not about pods. The policy's own namespace is not added
    /// then.
    var namesItsNamespace: Bool {
        requirements.contains {
            $0.source == "reserved" || $0.name == Self.namespaceName
                || $0.name.hasPrefix(Self.namespaceLabelPrefix)
        }
    }

    /// Says whether only pods can be selected: reserved identities, such as the world, are not.
    public var selectsOnlyPods: Bool { requirements.contains { $0.source == "k8s" && $0.name == Self.namespaceName } }

    /// Labels that Cilium gives identities of pods, and this datapath does not.
    private static let absent: Set<String> = [
        "io.cilium.k8s.policy.serviceaccount", "io.cilium.k8s.policy.cluster",
    ]

    private static let sources: Set<String> = ["k8s", "any", "reserved", "cidr", "unspec", "container"]

    private static func sourced(_ key: String) -> (source: String?, name: String) {
        let parts = key.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, sources.contains(String(parts[0])) else { return (nil, key) }
        return (parts[0] == "any" ? nil : String(parts[0]), String(parts[1]))
    }

    private static func refusal(of requirement: LabelSelector.Requirement, at place: PolicyPlace) -> [PolicyRefusal] {
        let takesValues = requirement.operator == .in || requirement.operator == .notIn
        guard requirement.values.isEmpty == takesValues else { return [] }
        return [
            place.refuse(
                "\(requirement.operator.rawValue) of \(requirement.key) "
                    + (takesValues ? "needs values" : "takes no values"))
        ]
    }
}
