/// What nodes are registered with besides what every kubelet says of its machine.
public struct NodeTraits: Codable, Sendable, Hashable {
    /// A taint, which keeps pods without a toleration for it away from the node.
    public struct Taint: Codable, Sendable, Hashable {
        /// The effects that there are.
        public static let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"]

        /// The key, for example `node.cilium.io/agent-not-ready`.
        public var key: String
        /// The value; it may be empty.
        public var value: String
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
        public var effect: String
        public init(key: String, value: String = "", effect: String) {
            self.key = key
            self.value = value
            self.effect = effect
        }

        /// `dedicated=db:NoSchedule`, as kubectl writes it.
        public var words: String { key + (value.isEmpty ? "" : "=" + value) + ":" + effect }
    }

    public var labels: [String: String]
    public var taints: [Taint]

    public init(labels: [String: String] = [:], taints: [Taint] = []) {
        self.labels = labels
        self.taints = taints
    }

    public var isEmpty: Bool { labels.isEmpty && taints.isEmpty }

    /// Returns both together. The other one's value of a label counts, and its taint of the same key and effect.
    public func adding(_ other: NodeTraits) -> NodeTraits {
        let own = taints.filter { taint in
            !other.taints.contains { $0.key == taint.key && $0.effect == taint.effect }
        }
        return NodeTraits(labels: labels.merging(other.labels) { $1 }, taints: own + other.taints)
    }

    /// For example `pool=spot, taint dedicated=db:NoSchedule`.
    public var words: String {
        let labels = labels.sorted { $0.key < $1.key }.map { $0.key + ($0.value.isEmpty ? "" : "=" + $0.value) }
        return (labels + taints.map { "taint " + $0.words }).joined(separator: ", ")
    }
}

/// The traits of some nodes of a lab, by name.
public struct NamedTraits: Codable, Sendable, Hashable {
    /// The nodes' names, or all nodes if it is empty.
    public var nodes: [String]
    public var traits: NodeTraits
    public init(nodes: [String], traits: NodeTraits) {
        self.nodes = nodes
        self.traits = traits
    }
}

extension LabProfile {
    /// What a node is registered with: what is said of all nodes, and what is said of it, the last of which counts.
    public func traits(of node: String) -> NodeTraits {
        namedTraits.filter { $0.nodes.isEmpty || $0.nodes.contains(node) }.reduce(traits) { $0.adding($1.traits) }
    }

    /// Whether any node has a taint.
    var hasTaints: Bool { !traits.taints.isEmpty || namedTraits.contains { !$0.traits.taints.isEmpty } }
}

/// What a label of a node may be called. A kubelet sets some itself, and an API server takes some from no kubelet.
enum NodeLabelRule {
    private static let ownLabels = ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"]
    private static let allowed = [
        "beta.kubernetes.io/instance-type", "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
    ]
    /// Namespaces of labels that a kubelet may set, with everything below them.
    private static let allowedNamespaces = ["kubelet.kubernetes.io", "node.kubernetes.io"]

    /// Why a kubelet cannot register its node with a label; nil if it can.
    static func mistake(_ key: String) -> String? {
        if ownLabels.contains(key) { return "every kubelet sets label \(key) itself" }
        let parts = key.split(separator: "/", maxSplits: 1)
        guard parts.count == 2, !allowed.contains(key) else { return nil }
        let namespace = String(parts[0])
        func isWithin(_ domain: String) -> Bool { namespace == domain || namespace.hasSuffix("." + domain) }
        guard isWithin("kubernetes.io") || isWithin("k8s.io"), !allowedNamespaces.contains(where: isWithin) else {
            return nil
        }
        return "no kubelet may set label \(key), whose namespace is Kubernetes' own"
    }
}
