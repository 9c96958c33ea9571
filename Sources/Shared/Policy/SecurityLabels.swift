import KubeObjects

/// The labels behind an identity, each with its source: `k8s:app=web`, `reserved:world`, `cidr:10.0.0.0/8`.
public struct SecurityLabels: Sendable, Hashable {
    /// A label's name. A selector without a source means any source.
    public struct Key: Sendable, Hashable {
        public let source: String
        public let name: String
        public init(source: String, name: String) {
            self.source = source
            self.name = name
        }
    }

    private let values: [Key: String]

    /// Reads `source:name=value`; a text without a source has the source `unspec`, one without `=` an empty value.
    public init(_ texts: [String]) {
        var values: [Key: String] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let key =
                name.count == 2
                ? Key(source: String(name[0]), name: String(name[1])) : Key(source: "unspec", name: text)
            values[key] = parts.count == 2 ? String(parts[1]) : ""
        }
        self.values = values
    }

    /// Labels that differ between replicas and are therefore never used, as in Cilium's default label filter.
    private static let ignored: Set<String> = [
        "pod-template-hash", "controller-revision-hash", "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "controller-uid", "job-name", "batch.kubernetes.io/job-name",
    ]

    /// Returns the labels that a pod's identity stands for, in canonical order: `k8s:app=web`,
    /// `k8s:io.kubernetes.pod.namespace=default`, `k8s:io.cilium.k8s.namespace.labels.team=a`.
    public static func ofPod(
        namespace: String, labels: [String: String], namespaceLabels: [String: String] = [:]
    ) -> [String] {
        var all = labels.filter { !ignored.contains($0.key) }.map { "k8s:\($0.key)=\($0.value)" }
        all.append("k8s:\(Selector.namespaceName)=\(namespace)")
        let ofNamespace = namespaceLabels.merging([Namespace.nameLabel: namespace]) { _, name in name }
        all += ofNamespace.map { "k8s:\(Selector.namespaceLabelPrefix)\($0.key)=\($0.value)" }
        return all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    public subscript(key: Key) -> String? { values[key] }

    /// Returns the value of a name from any source: the first in the order of the sources.
    func value(ofAnySource name: String) -> String? {
        if let value = values[Key(source: "k8s", name: name)] { return value }
        return values.filter { $0.key.name == name }.min { $0.key.source < $1.key.source }?.value
    }

    public func contains(reserved name: String) -> Bool { values[Key(source: "reserved", name: name)] != nil }
}
