import JSON
import KubeClient
import Scenario

/// Whom the lab's own programs are for the API server, and what they may do: the upstream's roles, as far as the lab
/// has what they are for.
enum LabAccounts {
    static let namespace = "kube-system"
    /// The agents' service account and cluster role.
    static let agent = "datapathd"
    /// The cloud controller's user and cluster role.
    static let cloudController = "labrun-cloud-controller"
    /// The operator's user and cluster role.
    static let datapathOperator = "labrun-operator"

    static let all = [
        manifest("v1", "Namespace", namespace),
        manifest("v1", "ServiceAccount", agent, in: namespace),
        role(agent, agentRules),
        binding(
            of: agent,
            to: ["kind": .string("ServiceAccount"), "name": .string(agent), "namespace": .string(namespace)]),
        role(datapathOperator, operatorRules),
        binding(
            of: datapathOperator,
            to: [
                "kind": .string("User"), "name": .string(datapathOperator),
                "apiGroup": .string("rbac.authorization.k8s.io"),
            ]),
        role(cloudController, cloudRules),
        binding(
            of: cloudController,
            to: [
                "kind": .string("User"), "name": .string(cloudController),
                "apiGroup": .string("rbac.authorization.k8s.io"),
            ]),
    ]

    private static let reading = ["get", "list", "watch"]
    private static let writing = reading + ["create", "update", "patch", "delete"]

    private static let agentRules = [
        rule([""], ["namespaces", "services", "pods", "endpoints", "nodes"], reading),
        // An agent takes the taint off that keeps pods away until it is ready.
        rule([""], ["nodes", "nodes/status"], ["patch"]),
        rule(["", "events.k8s.io"], ["events"], ["create", "patch"]),
        rule(["discovery.k8s.io"], ["endpointslices"], reading),
        rule(["networking.k8s.io"], ["networkpolicies"], reading),
        rule(["apiextensions.k8s.io"], ["customresourcedefinitions"], reading),
        rule(["cilium.io"], ["ciliumnetworkpolicies"], reading),
        rule(["cilium.io"], ["ciliumnetworkpolicies/status"], ["update", "patch"]),
        rule(["cilium.io"], ["ciliumnodes", "ciliumnodes/status", "ciliumendpoints", "ciliumidentities"], writing),
    ]

    private static let operatorRules = [
        rule([""], ["namespaces", "pods", "nodes"], reading),
        rule(["cilium.io"], ["ciliumnodes", "ciliumnodes/status", "ciliumendpoints", "ciliumidentities"], writing),
        rule(["coordination.k8s.io"], ["leases"], ["get", "create", "update"]),
    ]

    private static let cloudRules = [
        rule([""], ["namespaces", "pods", "services", "nodes"], reading),
        rule(["apps"], ["daemonsets"], reading),
        rule(["cilium.io"], ["ciliumnodes"], reading),
        rule([""], ["nodes", "nodes/status"], ["patch", "delete"]),
        rule([""], ["services", "services/status"], ["patch"]),
        // A gateway's Service is the controller's own.
        rule([""], ["services"], ["create", "delete"]),
        rule(
            ["gateway.networking.k8s.io"], ["gatewayclasses", "gateways", "httproutes", "referencegrants"], reading),
        rule(["gateway.networking.k8s.io"], ["gatewayclasses"], ["create"]),
        rule(
            ["gateway.networking.k8s.io"], ["gatewayclasses/status", "gateways/status", "httproutes/status"],
            ["patch"]),
        rule([""], ["pods/eviction"], ["create"]),
        rule(["", "events.k8s.io"], ["events"], ["create", "patch"]),
        rule(["karpenter.sh"], ["nodepools", "nodeclaims", "nodepools/status", "nodeclaims/status"], writing),
        // An owner that blocks deletion is one whose finalizers the writer may set.
        rule(["karpenter.sh"], ["nodepools/finalizers", "nodeclaims/finalizers"], ["update"]),
        rule(["coordination.k8s.io"], ["leases"], ["get", "create", "update"]),
    ]

    private static func rule(_ groups: [String], _ resources: [String], _ verbs: [String]) -> JSONValue {
        .object([
            "apiGroups": .array(groups.map { .string($0) }), "resources": .array(resources.map { .string($0) }),
            "verbs": .array(verbs.map { .string($0) }),
        ])
    }

    private static let rbac = "rbac.authorization.k8s.io/v1"

    private static func role(_ name: String, _ rules: [JSONValue]) -> ServedManifest {
        manifest(rbac, "ClusterRole", name, ["rules": .array(rules)])
    }

    private static func binding(of role: String, to subject: [String: JSONValue]) -> ServedManifest {
        let reference = JSONValue.object([
            "apiGroup": .string("rbac.authorization.k8s.io"), "kind": .string("ClusterRole"), "name": .string(role),
        ])
        return manifest(
            rbac, "ClusterRoleBinding", role, ["roleRef": reference, "subjects": .array([.object(subject)])])
    }

    private static func manifest(
        _ apiVersion: String, _ kind: String, _ name: String, in namespace: String? = nil,
        _ content: [String: JSONValue] = [:]
    ) -> ServedManifest {
        var metadata: [String: JSONValue] = ["name": .string(name)]
        if let namespace { metadata["namespace"] = .string(namespace) }
        let head: [String: JSONValue] = [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "metadata": .object(metadata),
        ]
        return ServedManifest(
            apiVersion: apiVersion, kind: kind, namespace: namespace, name: name,
            text: JSONValue.object(head.merging(content) { $1 }).canonicalText, place: "labrun")
    }
}

extension ServerStore {
    /// Longer than any lab lasts: 30 days. An agent that is no pod has nobody who would give it a new one.
    private static let tokenSeconds: Int64 = 30 * 86_400

    /// A token of the agents' service account. A secret.
    func agentToken(within limit: Duration) async throws -> String {
        let request = JSONValue.object([
            "apiVersion": .string("authentication.k8s.io/v1"), "kind": .string("TokenRequest"),
            "spec": .object(["expirationSeconds": .integer(Self.tokenSeconds)]),
        ])
        let answer = try await client.create(
            .serviceAccounts, namespace: LabAccounts.namespace, name: LabAccounts.agent, subresource: "token",
            KubeBody(request), within: limit
        ).json()
        guard let token = answer["status"]?["token"]?.text, !token.isEmpty else {
            throw LabError(.request, "the API server gave no token for the service account \(LabAccounts.agent)")
        }
        return token
    }
}
