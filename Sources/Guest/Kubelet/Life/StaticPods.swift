import Hashing
import JSON

/// Pods from the node's manifest folder, and the objects that show them at the API server.
public enum StaticPods {
    /// Makes a pod of a manifest: name, namespace and UID as a kubelet gives them.
    ///
    /// - Parameter source: The file's path; the same path and content give the same UID.
    /// - Throws: ``UnreadablePod``
    public static func pod(
        _ manifest: JSONValue, source: String, nodeName: String, at now: KubeletTime
    ) throws(UnreadablePod) -> KubePod {
        let fields = try ObjectFields(manifest, at: "")
        guard manifest["kind"]?.text == "Pod", let metadata = try fields.object("metadata"),
            var spec = manifest["spec"]?.members
        else { throw UnreadablePod(path: "", problem: "not a Pod with metadata and spec") }
        let name = try metadata.requiredText("name") + "-" + nodeName
        var hash = FNV1a64()
        hash.combine((manifest.canonicalText + source + nodeName).utf8)
        var other = FNV1a64(seed: 1)
        other.combine((manifest.canonicalText + source + nodeName).utf8)
        let uid = [hash.value, other.value].map { value in
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }.joined()
        var members = metadata.members
        var annotations = members["annotations"]?.members ?? [:]
        annotations[KubePod.Annotation.hash] = .string(uid)
        annotations[KubePod.Annotation.seen] = .string(now.timestamp)
        annotations[KubePod.Annotation.source] = .string("file")
        members["annotations"] = .object(annotations)
        members["name"] = .string(name)
        members["namespace"] = members["namespace"] ?? .string("default")
        members["uid"] = .string(uid)
        spec["nodeName"] = .string(nodeName)
        // Static pods stay whatever taints the node has, and have no account's token.
        spec["tolerations"] = .array([
            .object(["operator": .string("Exists"), "effect": .string("NoExecute")])
        ])
        return try KubePod(
            .object([
                "apiVersion": .string("v1"), "kind": .string("Pod"), "metadata": .object(members),
                "spec": .object(spec),
            ]))
    }

    /// The object to create for a static pod.
    static func mirror(_ pod: KubePod, _ settings: KubeletSettings, nodeUID: String) -> JSONValue {
        var annotations = pod.annotations
        annotations[KubePod.Annotation.mirror] = annotations[KubePod.Annotation.hash] ?? ""
        return .object([
            "apiVersion": .string("v1"), "kind": .string("Pod"),
            "metadata": .object([
                "name": .string(pod.identity.name), "namespace": .string(pod.identity.namespace),
                "labels": .object(pod.labels.mapValues(JSONValue.string)),
                "annotations": .object(annotations.mapValues(JSONValue.string)),
                "ownerReferences": .array([
                    .object([
                        "apiVersion": .string("v1"), "kind": .string("Node"), "name": .string(settings.nodeName),
                        "uid": .string(nodeUID), "controller": .bool(true),
                    ])
                ]),
            ]),
            "spec": pod.object["spec"] ?? .object([:]),
        ])
    }
}
