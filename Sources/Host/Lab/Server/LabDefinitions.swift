import CloudController
import JSON
import KubeClient
import Scenario

/// The custom resources that every lab with a control plane has, in the upstream's shape as far as files and users look
/// at them.
enum LabDefinitions {
    /// The resources that agents and the operator need before they start.
    static let resources: [KubeResource] = [
        .ciliumNetworkPolicies, .ciliumNodes, .ciliumEndpoints, .ciliumIdentities, .nodePools, .nodeClaims,
    ]

    /// Those of Gateway API, for labs with a gateway controller.
    static let gatewayResources: [KubeResource] = [.gatewayClasses, .gateways, .httpRoutes, .referenceGrants]

    /// Gateway API's, with the columns that users look at.
    static let gateways = [
        definition(
            .gatewayClasses, kind: "GatewayClass", shortNames: ["gc"], category: "gateway-api",
            columns: [
                Column("Controller", ".spec.controllerName"),
                Column("Accepted", #".status.conditions[?(@.type=="Accepted")].status"#), .age,
                Column("Description", ".spec.description", isWide: true),
            ], furtherVersions: ["v1beta1"]),
        definition(
            .gateways, kind: "Gateway", shortNames: ["gtw"], category: "gateway-api",
            columns: [
                Column("Class", ".spec.gatewayClassName"), Column("Address", ".status.addresses[*].value"),
                Column("Programmed", #".status.conditions[?(@.type=="Programmed")].status"#), .age,
            ], furtherVersions: ["v1beta1"]),
        definition(
            .httpRoutes, kind: "HTTPRoute", shortNames: [], category: "gateway-api",
            columns: [Column("Hostnames", ".spec.hostnames"), .age], furtherVersions: ["v1beta1"]),
        definition(
            .referenceGrants, kind: "ReferenceGrant", shortNames: ["refgrant"], category: "gateway-api",
            hasStatus: false, columns: [.age]),
    ]

    static let all = [
        definition(
            .ciliumNetworkPolicies, kind: "CiliumNetworkPolicy", shortNames: ["cnp", "ciliumnp"],
            category: "ciliumpolicy"),
        definition(
            .ciliumNodes, kind: "CiliumNode", shortNames: ["cn", "ciliumn"],
            columns: [
                Column("CiliumInternalIP", #".spec.addresses[?(@.type=="CiliumInternalIP")].ip"#),
                Column("InternalIP", #".spec.addresses[?(@.type=="InternalIP")].ip"#),
                Column("PodCIDRs", ".spec.ipam.podCIDRs[*]", isWide: true),
                .age,
            ]),
        definition(
            .ciliumEndpoints, kind: "CiliumEndpoint", shortNames: ["cep", "ciliumep"], hasStatus: false,
            columns: [
                Column("Endpoint ID", ".status.id", type: "integer"),
                Column("Identity ID", ".status.identity.id", type: "integer"),
                Column("Endpoint State", ".status.state"),
                Column("IPv4", ".status.networking.addressing[0].ipv4"),
            ]),
        definition(
            .ciliumIdentities, kind: "CiliumIdentity", shortNames: ["ciliumid"], hasStatus: false,
            columns: [Column("Namespace", #".metadata.labels.io\.kubernetes\.pod\.namespace"#), .age]),
        definition(
            .nodePools, kind: "NodePool", shortNames: [], category: "karpenter",
            columns: [
                Column("NodeClass", ".spec.template.spec.nodeClassRef.name"),
                Column("Weight", ".spec.weight", type: "integer", isWide: true),
                Column("CPU", ".status.resources.cpu", isWide: true), .age,
            ]),
        definition(
            .nodeClaims, kind: "NodeClaim", shortNames: [], category: "karpenter",
            columns: [
                Column("Type", #".metadata.labels.node\.kubernetes\.io/instance-type"#),
                Column("Capacity", #".metadata.labels.karpenter\.sh/capacity-type"#),
                Column("Zone", #".metadata.labels.topology\.kubernetes\.io/zone"#),
                Column("Node", ".status.nodeName"),
                Column("Ready", #".status.conditions[?(@.type=="Ready")].status"#), .age,
                Column("ID", ".status.providerID", isWide: true),
                Column("NodePool", #".metadata.labels.karpenter\.sh/nodepool"#, isWide: true),
            ]),
    ]

    /// A column of `kubectl get`.
    private struct Column {
        static let age = Column("Age", ".metadata.creationTimestamp", type: "date")

        var name: String
        var path: String
        var type: String
        /// Whether only `-o wide` shows it.
        var isWide: Bool

        init(_ name: String, _ path: String, type: String = "string", isWide: Bool = false) {
            self.name = name
            self.path = path
            self.type = type
            self.isWide = isWide
        }

        var value: JSONValue {
            .object([
                "name": .string(name), "jsonPath": .string(path), "type": .string(type),
                "priority": .integer(isWide ? 1 : 0),
            ])
        }
    }

    /// As upstream's definitions of Gateway API have it.
    private static let gatewayApproval = "https://github.com/kubernetes-sigs/gateway-api/pull/2466"

    /// A definition whose objects the agents check, as the upstream's agents do.
    ///
    /// - Parameters:
    ///   - hasStatus: Whether the status is a subresource, which is then all that a request for it changes.
    ///   - furtherVersions: Versions by which the same objects are served, too.
    private static func definition(
        _ resource: KubeResource, kind: String, shortNames: [String], category: String? = nil, hasStatus: Bool = true,
        columns: [Column] = [], furtherVersions: [String] = []
    ) -> ServedManifest {
        let schema = JSONValue.object([
            "openAPIV3Schema": .object([
                "type": .string("object"), "x-kubernetes-preserve-unknown-fields": .bool(true),
            ])
        ])
        var version: [String: JSONValue] = [
            "name": .string(resource.version), "served": .bool(true), "storage": .bool(true), "schema": schema,
        ]
        if hasStatus { version["subresources"] = .object(["status": .object([:])]) }
        if !columns.isEmpty { version["additionalPrinterColumns"] = .array(columns.map(\.value)) }
        let name = "\(resource.plural).\(resource.group)"
        var metadata: [String: JSONValue] = ["name": .string(name)]
        // The API server takes definitions of Kubernetes' own groups only with a reference to their approval.
        if resource.group.hasSuffix(".k8s.io") {
            metadata["annotations"] = .object(["api-approved.kubernetes.io": .string(gatewayApproval)])
        }
        let categories = (resource.group == "cilium.io" ? ["cilium"] : []) + (category.map { [$0] } ?? [])
        let object = JSONValue.object([
            "apiVersion": .string("apiextensions.k8s.io/v1"), "kind": .string("CustomResourceDefinition"),
            "metadata": .object(metadata),
            "spec": .object([
                "group": .string(resource.group), "scope": .string(resource.isNamespaced ? "Namespaced" : "Cluster"),
                "names": .object([
                    "kind": .string(kind), "plural": .string(resource.plural), "singular": .string(kind.lowercased()),
                    "listKind": .string(kind + "List"), "shortNames": .array(shortNames.map { .string($0) }),
                    "categories": .array(categories.map { .string($0) }),
                ]),
                "versions": .array(
                    [.object(version)]
                        + furtherVersions.map { name in
                            .object(
                                version.merging(["name": .string(name), "storage": .bool(false)]) { $1 })
                        }),
            ]),
        ])
        return ServedManifest(
            apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", namespace: nil, name: name,
            text: object.canonicalText, place: "labrun")
    }
}

extension ServerStore {
    /// Installs the lab's own definitions and accounts, and waits until the definitions' objects are served.
    ///
    /// - Parameter gateways: Whether Gateway API's are among them.
    /// - Throws: `LabError` with what is not served in time, `ObjectRefusal`.
    func prepare(within limit: Duration, gateways: Bool = false) async throws {
        let end = ContinuousClock.now + limit
        // The server takes the accounts while it begins to serve the definitions.
        async let definitions: Void = apply(
            LabDefinitions.all + (gateways ? LabDefinitions.gateways : []), within: limit)
        async let accounts: Void = apply(LabAccounts.all, within: limit)
        _ = try await (definitions, accounts)
        var missing = LabDefinitions.resources + (gateways ? LabDefinitions.gatewayResources : [])
        while true {
            var left: [KubeResource] = []
            for resource in missing
            where try await client.firstServed(of: [resource], within: .seconds(10)) == nil { left.append(resource) }
            missing = left
            if missing.isEmpty { return }
            guard ContinuousClock.now < end else {
                let names = missing.map(\.description).joined(separator: ", ")
                throw LabError(
                    .notReady, "the API server does not serve the lab's definitions after \(limit): \(names)")
            }
            // There is no event for what a server describes.
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
