/// A resource of the Kubernetes API: the kind of objects behind a path, in one version.
public struct KubeResource: Sendable, Hashable, Codable {
    /// The API group, such as `apps`. It is empty for the core group.
    public var group: String
    public var version: String
    /// The resource's name in paths, such as `deployments`.
    public var plural: String
    /// Whether the objects lie in namespaces.
    public var isNamespaced: Bool

    public init(group: String = "", version: String, plural: String, isNamespaced: Bool = true) {
        self.group = group
        self.version = version
        self.plural = plural
        self.isNamespaced = isNamespaced
    }

    /// The `apiVersion` of manifests: `v1`, `apps/v1`.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// The path of the group and version: `/api/v1`, `/apis/apps/v1`.
    public var root: String { Self.root(group: group, version: version) }

    static func root(group: String, version: String) -> String {
        group.isEmpty
            ? "/api/\(KubePath.encoded(version))" : "/apis/\(KubePath.encoded(group))/\(KubePath.encoded(version))"
    }

    /// The path of one object, or of all objects of the resource if the name is nil.
    ///
    /// - Parameters:
    ///   - namespace: The namespace. Nil means all namespaces. It is ignored for resources without namespaces.
    ///   - subresource: For example `status`, `binding`, `token`. It may have several parts: `proxy/metrics`.
    public func path(namespace: String?, name: String?, subresource: String? = nil) -> String {
        var path = root
        if isNamespaced, let namespace { path += "/namespaces/" + KubePath.encoded(namespace) }
        path += "/" + KubePath.encoded(plural)
        guard let name else { return path }
        path += "/" + KubePath.encoded(name)
        guard let subresource else { return path }
        return path + "/" + subresource.split(separator: "/").map { KubePath.encoded($0) }.joined(separator: "/")
    }
}

extension KubeResource: CustomStringConvertible {
    /// As kubectl writes it: `deployments.v1.apps`, `pods.v1`.
    public var description: String { group.isEmpty ? "\(plural).\(version)" : "\(plural).\(version).\(group)" }
}

// MARK: Resources of Kubernetes itself

extension KubeResource {
    public static let pods = core("pods")
    public static let services = core("services")
    public static let endpoints = core("endpoints")
    public static let events = core("events")
    public static let configMaps = core("configmaps")
    public static let secrets = core("secrets")
    public static let serviceAccounts = core("serviceaccounts")
    public static let replicationControllers = core("replicationcontrollers")
    public static let persistentVolumeClaims = core("persistentvolumeclaims")
    public static let nodes = core("nodes", isNamespaced: false)
    public static let namespaces = core("namespaces", isNamespaced: false)
    public static let persistentVolumes = core("persistentvolumes", isNamespaced: false)

    public static let deployments = apps("deployments")
    public static let replicaSets = apps("replicasets")
    public static let daemonSets = apps("daemonsets")
    public static let statefulSets = apps("statefulsets")
    public static let jobs = KubeResource(group: "batch", version: "v1", plural: "jobs")

    public static let leases = KubeResource(group: "coordination.k8s.io", version: "v1", plural: "leases")
    /// Servers before 1.21 have `endpointSlicesBeta` only.
    public static let endpointSlices = KubeResource(
        group: "discovery.k8s.io", version: "v1", plural: "endpointslices")
    public static let endpointSlicesBeta = KubeResource(
        group: "discovery.k8s.io", version: "v1beta1", plural: "endpointslices")
    public static let networkPolicies = KubeResource(
        group: "networking.k8s.io", version: "v1", plural: "networkpolicies")
    /// Servers before 1.21 have `podDisruptionBudgetsBeta` only.
    public static let podDisruptionBudgets = KubeResource(
        group: "policy", version: "v1", plural: "poddisruptionbudgets")
    public static let podDisruptionBudgetsBeta = KubeResource(
        group: "policy", version: "v1beta1", plural: "poddisruptionbudgets")

    public static let roles = rbac("roles")
    public static let roleBindings = rbac("rolebindings")
    public static let clusterRoles = rbac("clusterroles", isNamespaced: false)
    public static let clusterRoleBindings = rbac("clusterrolebindings", isNamespaced: false)

    public static let customResourceDefinitions = cluster("apiextensions.k8s.io", "customresourcedefinitions")
    public static let validatingWebhooks = cluster(
        "admissionregistration.k8s.io", "validatingwebhookconfigurations")
    public static let mutatingWebhooks = cluster("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
    public static let priorityClasses = cluster("scheduling.k8s.io", "priorityclasses")
    public static let storageClasses = cluster("storage.k8s.io", "storageclasses")
    public static let csiNodes = cluster("storage.k8s.io", "csinodes")
    public static let runtimeClasses = cluster("node.k8s.io", "runtimeclasses")
    public static let tokenReviews = cluster("authentication.k8s.io", "tokenreviews")
    public static let subjectAccessReviews = cluster("authorization.k8s.io", "subjectaccessreviews")

    public static let ciliumNodes = cilium("ciliumnodes", isNamespaced: false)
    public static let ciliumIdentities = cilium("ciliumidentities", isNamespaced: false)
    public static let ciliumEndpoints = cilium("ciliumendpoints")
    public static let ciliumNetworkPolicies = cilium("ciliumnetworkpolicies")

    private static func core(_ plural: String, isNamespaced: Bool = true) -> KubeResource {
        KubeResource(version: "v1", plural: plural, isNamespaced: isNamespaced)
    }
    private static func apps(_ plural: String) -> KubeResource {
        KubeResource(group: "apps", version: "v1", plural: plural)
    }
    private static func rbac(_ plural: String, isNamespaced: Bool = true) -> KubeResource {
        KubeResource(
            group: "rbac.authorization.k8s.io", version: "v1", plural: plural, isNamespaced: isNamespaced)
    }
    private static func cluster(_ group: String, _ plural: String) -> KubeResource {
        KubeResource(group: group, version: "v1", plural: plural, isNamespaced: false)
    }
    private static func cilium(_ plural: String, isNamespaced: Bool = true) -> KubeResource {
        KubeResource(group: "cilium.io", version: "v2", plural: plural, isNamespaced: isNamespaced)
    }
}

/// Percent-encoding of a part of a path or a query (RFC 3986): everything but unreserved characters.
enum KubePath {
    static func encoded(_ text: some StringProtocol) -> String {
        var encoded: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.append(octet)
            default:
                encoded += [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    static func withQuery(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
    }
}
