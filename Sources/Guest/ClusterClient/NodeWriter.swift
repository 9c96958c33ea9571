public import JSON
public import KubeClient
public import ServedObjects

/// What an agent tells of its node in the node's CiliumNode.
public struct NodeStatement: Sendable, Equatable {
    public var node: CiliumNode
    /// The range that the node uses already, for a CiliumNode that has to be created again. In one that is there, the
    /// operator has the say.
    public var rangeInUse: String?
    /// Further members of `spec` and `status`.
    public var spec: [String: JSONValue] = [:]
    public var status: [String: JSONValue] = [:]

    public init(_ node: CiliumNode) { self.node = node }

    var wholeSpec: JSONValue {
        var members = node.spec.members ?? [:]
        for (name, value) in spec {
            // `ipam` may have ranges and a pool.
            let both = (members[name]?.members ?? [:]).merging(value.members ?? [:]) { $1 }
            members[name] = value.members == nil ? value : .object(both)
        }
        return .object(members)
    }
}

/// Keeps a node's CiliumNode as the agent wants it, and tells the Node that its network is there.
public struct NodeWriter: Sendable {
    /// The taint that keeps pods away until the agent is ready, as the upstream names it.
    public static let taint = "node.cilium.io/agent-not-ready"
    static let patience = Duration.seconds(10)
    private static let whole: Set = ["spec.ipam.pool", "status.ipam.used", "status.eni.enis"]

    private let client: KubeClient
    private let name: String

    public init(_ client: KubeClient, nodeName: String) {
        self.client = client
        name = nodeName
    }

    // MARK: CiliumNode

    /// Creates the CiliumNode, or changes what is not as it should be in it.
    ///
    /// - Parameter owner: The uid of the Node object, if it is known.
    public func write(_ statement: NodeStatement, owner: String?) async throws {
        var metadata: [String: JSONValue] = ["name": .string(name)]
        if let owner {
            metadata["ownerReferences"] = .array([OwnerReference(kind: "Node", name: name, uid: owner).json])
        }
        let wanted = JSONValue.object(["metadata": .object(metadata), "spec": statement.wholeSpec])
        var present: JSONValue
        do {
            present = try await client.get(.ciliumNodes, name: name, within: Self.patience)
        } catch KubeClientError.refused(let status) where status.isNotFound {
            var object = wanted.members ?? [:]
            if let range = statement.rangeInUse {
                var spec = statement.wholeSpec.members ?? [:]
                var ipam = spec["ipam"]?.members ?? [:]
                ipam["podCIDRs"] = .array([.string(range)])
                spec["ipam"] = .object(ipam)
                object["spec"] = .object(spec)
            }
            object["apiVersion"] = .string(CiliumNode.apiVersion)
            object["kind"] = .string(CiliumNode.kind)
            present = try await client.create(.ciliumNodes, KubeBody(.object(object)), within: Self.patience).json()
        }
        if let patch = MergePatch.from(present, to: wanted, whole: Self.whole) {
            try await client.patch(.ciliumNodes, name: name, .merge, KubeBody(patch), within: Self.patience)
        }
        guard !statement.status.isEmpty else { return }
        let status = JSONValue.object(["status": .object(statement.status)])
        guard let patch = MergePatch.from(present, to: status, whole: Self.whole) else { return }
        try await client.patch(
            .ciliumNodes, name: name, subresource: "status", .merge, KubeBody(patch), within: Self.patience)
    }

    // MARK: Node

    /// Whether a Node still says that it has no network.
    public static func isUntold(_ node: JSONValue) -> Bool { hasTaint(node) || !isNetworkAvailable(node) }

    static func hasTaint(_ node: JSONValue) -> Bool {
        node["spec"]?["taints"]?.elements?.contains { $0["key"]?.text == taint } ?? false
    }

    static func isNetworkAvailable(_ node: JSONValue) -> Bool {
        node["status"]?["conditions"]?.elements?.contains {
            $0["type"]?.text == "NetworkUnavailable" && $0["status"]?.text == "False"
        } ?? false
    }

    /// Tells the Node that its network is there: the condition, and then the taint goes, as the upstream does it.
    ///
    /// - Parameters:
    ///   - node: The Node as it was seen last. A change since then is a conflict, and the next try has to have the new
    ///     one.
    ///   - time: The present time (RFC 3339).
    public func announceNetwork(_ node: JSONValue, time: String) async throws {
        if !Self.isNetworkAvailable(node) {
            let condition: JSONValue = .object([
                "type": .string("NetworkUnavailable"), "status": .string("False"), "reason": .string("CiliumIsUp"),
                "message": .string("Cilium is running on this node"), "lastHeartbeatTime": .string(time),
                "lastTransitionTime": .string(time),
            ])
            try await client.patch(
                .nodes, name: name, subresource: "status", .strategicMerge,
                KubeBody(.object(["status": .object(["conditions": .array([condition])])])), within: Self.patience)
        }
        if Self.hasTaint(node) {
            // The version is that from before the condition was written, so the node is asked for again.
            let present: JSONValue = try await client.get(.nodes, name: name, within: Self.patience)
            let taints = (present["spec"]?["taints"]?.elements ?? []).filter { $0["key"]?.text != Self.taint }
            let version = present["metadata"]?["resourceVersion"] ?? .null
            try await client.patch(
                .nodes, name: name, .merge,
                KubeBody(
                    .object([
                        "metadata": .object(["resourceVersion": version]),
                        "spec": .object(["taints": taints.isEmpty ? .null : .array(taints)]),
                    ])), within: Self.patience)
        }
    }
}
