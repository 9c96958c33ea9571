/// What a server serves.
public struct KubeDiscovery: Sendable, Hashable, Codable {
    /// Groups in the server's order, the core group first; of a group, the preferred version first.
    public var resources: [KubeServedResource]
    /// Groups and versions that the server names and could not describe, such as `metrics.k8s.io/v1beta1`, and why.
    public var missing: [String: String]

    public init(resources: [KubeServedResource], missing: [String: String] = [:]) {
        self.resources = resources
        self.missing = missing
    }

    /// The resource of a manifest.
    public func resource(apiVersion: String, kind: String) -> KubeServedResource? {
        resources.first { $0.kind == kind && $0.resource.apiVersion == apiVersion }
    }

    /// A resource by any name that kubectl takes: plural, singular, short name or kind, with a group behind a dot
    /// (`deploy`, `ciliumnodes.cilium.io`). In the group's preferred version.
    public func resource(named name: String) -> KubeServedResource? {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard let first = parts.first?.lowercased() else { return nil }
        return resources.first {
            (parts.count < 2 || $0.resource.group == parts[1])
                && ($0.resource.plural == first || $0.singular == first || $0.kind.lowercased() == first
                    || $0.shortNames.contains(first))
        }
    }

    public func serves(_ resource: KubeResource) -> Bool { resources.contains { $0.resource == resource } }
}

/// A resource as a server describes it (`metav1.APIResource`).
public struct KubeServedResource: Sendable, Hashable, Codable {
    public var resource: KubeResource
    /// The `kind` of manifests.
    public var kind: String
    public var singular: String
    public var shortNames: [String]
    /// `get`, `list`, `watch`, `create`, …
    public var verbs: [String]
    /// `status`, `scale`, …
    public var subresources: [String]

    public init(
        resource: KubeResource, kind: String, singular: String = "", shortNames: [String] = [], verbs: [String] = [],
        subresources: [String] = []
    ) {
        self.resource = resource
        self.kind = kind
        self.singular = singular
        self.shortNames = shortNames
        self.verbs = verbs
        self.subresources = subresources
    }
}
