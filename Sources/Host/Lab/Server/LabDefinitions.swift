import JSON
import KubeClient
import Scenario

/// The custom resources that every lab with a control plane has, in the upstream's shape as far as files and users look
/// at them.
enum LabDefinitions {
    static let all = [ciliumNetworkPolicies]

    private static let ciliumNetworkPolicies = definition(
        kind: "CiliumNetworkPolicy", plural: "ciliumnetworkpolicies", shortNames: ["cnp", "ciliumnp"],
        isNamespaced: true)

    /// A definition whose objects the agents check, as the upstream's agents do.
    private static func definition(
        kind: String, plural: String, shortNames: [String], isNamespaced: Bool
    ) -> ServedManifest {
        let group = "cilium.io"
        let schema = JSONValue.object([
            "openAPIV3Schema": .object([
                "type": .string("object"), "x-kubernetes-preserve-unknown-fields": .bool(true),
            ])
        ])
        let version = JSONValue.object([
            "name": .string("v2"), "served": .bool(true), "storage": .bool(true), "schema": schema,
            "subresources": .object(["status": .object([:])]),
        ])
        let object = JSONValue.object([
            "apiVersion": .string("apiextensions.k8s.io/v1"), "kind": .string("CustomResourceDefinition"),
            "metadata": .object(["name": .string("\(plural).\(group)")]),
            "spec": .object([
                "group": .string(group), "scope": .string(isNamespaced ? "Namespaced" : "Cluster"),
                "names": .object([
                    "kind": .string(kind), "plural": .string(plural), "singular": .string(kind.lowercased()),
                    "listKind": .string(kind + "List"), "shortNames": .array(shortNames.map { .string($0) }),
                    "categories": .array([.string("cilium"), .string("ciliumpolicy")]),
                ]), "versions": .array([version]),
            ]),
        ])
        return ServedManifest(
            apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", namespace: nil,
            name: "\(plural).\(group)", text: object.canonicalText, place: "labrun")
    }
}

extension ServerStore {
    /// Installs definitions, and waits until their objects are served.
    func install(_ definitions: [ServedManifest], within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        try await apply(definitions, within: limit)
        while try await client.firstServed(of: [.ciliumNetworkPolicies], within: .seconds(10)) == nil {
            guard ContinuousClock.now < end else {
                throw LabError(.notReady, "the API server does not serve the lab's definitions after \(limit)")
            }
            // There is no event for what a server describes.
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
