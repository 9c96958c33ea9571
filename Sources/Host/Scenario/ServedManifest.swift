public import JSON
import KubeObjects
import Observations
import Readings

/// A Kubernetes object of any kind, as a manifest gives it, for the API server of a lab with a control plane.
public struct ServedManifest: Codable, Sendable, Hashable {
    public var apiVersion: String
    public var kind: String
    /// The namespace as the manifest gives it, which an object of no namespace has not.
    public var namespace: String?
    public var name: String
    /// The whole object as JSON.
    public var text: String
    /// Where the manifest is, for messages: `web.yaml:12`.
    public var place: String

    public init(apiVersion: String, kind: String, namespace: String?, name: String, text: String, place: String) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.text = text
        self.place = place
    }

    /// For example `Deployment shop/web` or `Namespace shop`.
    public var words: String { "\(kind) " + (namespace.map { "\($0)/" } ?? "") + name }

    /// The object as a value; nil if the text is not JSON, which a manifest that was read never is.
    public var value: JSONValue? { try? JSON.JSONText.value(of: Array(text.utf8)) }

    /// Whether both are about the same object.
    func isSameObject(as other: ServedManifest) -> Bool {
        kind == other.kind && group == other.group && name == other.name
            && (namespace ?? "default") == (other.namespace ?? "default")
    }

    func isObject(_ query: ObjectQuery) -> Bool {
        kind == query.kind && name == query.name && (namespace ?? "default") == (query.namespace ?? "default")
            && (query.apiVersion == nil || query.apiVersion == apiVersion)
    }

    /// The API group; empty for the core's.
    public var group: String {
        let parts = apiVersion.split(separator: "/", maxSplits: 1)
        return parts.count == 2 ? String(parts[0]) : ""
    }
}

/// A manifest at a step of a timeline, with what follows from it for the matrix.
struct ServedObject {
    let manifest: ServedManifest
    let value: JSONValue
    /// How many pods it has; a step may change it.
    var replicas: Int

    init(_ manifest: ServedManifest, _ value: JSONValue) {
        self.manifest = manifest
        self.value = value
        let size = value["spec"]?[manifest.kind == "Job" ? "parallelism" : "replicas"]?.integerValue ?? 1
        replicas = Int(min(max(0, size), Int64(ManifestShape.replicaLimit)))
    }

    /// Whether nobody knows the names of the pods that come of it: custom resources are up to their controllers.
    var makesUnknownPods: Bool {
        let group = manifest.group
        let isBuiltIn =
            ["", "apps", "batch", "policy", "autoscaling", "extensions"].contains(group) || group.hasSuffix(".k8s.io")
            || group == "cilium.io"
        return manifest.kind == "CronJob" || !isBuiltIn
    }

    /// The endpoints of the matrix that it brings, without addresses. Where the pods will be, the scheduler decides.
    func endpoints(nodes: [String], echo: EchoPort) -> [Endpoint] {
        let namespace = manifest.namespace ?? "default"
        if manifest.kind == "Service", manifest.group.isEmpty {
            guard var service = try? value.decoded(as: Service.self) else { return [] }
            service.metadata.namespace = namespace
            return ServiceEndpoints.endpoints(of: [service], nodes: nodes.map { ($0, "") })
        }
        let template = manifest.kind == "Pod" ? value : value["spec"]?["template"]
        guard let template, let ids = ServedPodIDs.ids(of: manifest.kind, manifest.name, replicas, nodes: nodes) else {
            return []
        }
        let spec = try? template["spec"]?.decoded(as: Pod.Spec.self)
        // It has its node's address, and no row of its own.
        if spec?.hostNetwork == true { return [] }
        let labels = template["metadata"]?["labels"]?.members?.compactMapValues(\.text) ?? [:]
        return ids.map { id in
            Endpoint(
                id: "\(namespace)/\(id.name)", kind: .pod, node: id.node ?? spec?.nodeName, namespace: namespace,
                address: "", port: echo.port(of: spec?.containers ?? []), labels: labels)
        }
    }
}

/// How the pods of a workload are called in the matrix, whatever their own names are.
public enum ServedPodIDs {
    /// Returns the names that a workload's pods have in the matrix, each with its node where the kind decides it; nil
    /// for a kind that has no pods.
    static func ids(
        of kind: String, _ name: String, _ replicas: Int, nodes: [String]
    ) -> [(name: String, node: String?)]? {
        switch kind {
        case "Pod": [(name, nil)]
        case "DaemonSet": nodes.map { ("\(name)-\($0)", $0) }
        case "StatefulSet": (0..<replicas).map { ("\(name)-\($0)", nil) }
        case "Deployment", "ReplicaSet", "ReplicationController", "Job":
            replicas == 0 ? [] : (1...replicas).map { ("\(name)-\($0)", nil) }
        default: nil
        }
    }
}
