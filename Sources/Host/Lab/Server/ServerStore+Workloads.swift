import JSON
import KubeClient

extension ServerStore {
    /// Nodes that have not registered or are not ready, in words.
    func unready(_ names: [String], within limit: Duration) async -> [String] {
        do {
            let list = try await client.list(.nodes, within: limit) { octets in try JSONText.value(of: octets) }
            let known = Dictionary(list.items.map { ($0["metadata"]?["name"]?.text ?? "", $0) }) { first, _ in first }
            return names.compactMap { name in
                guard let node = known[name] else { return "Node \(name): it has not registered" }
                return Self.unready(node).map { "Node \(name): \($0)" }
            }
        } catch {
            return ["\(error)"]
        }
    }

    /// Why a node is not ready, in its kubelet's words; nil if it is.
    static func unready(_ node: JSONValue) -> String? {
        let conditions = node["status"]?["conditions"]?.elements ?? []
        guard let ready = conditions.first(where: { $0["type"]?.text == "Ready" }) else {
            return "it says nothing of itself"
        }
        guard ready["status"]?.text != "True" else { return nil }
        return ["reason", "message"].compactMap { ready[$0]?.text }.joined(separator: ": ")
    }

    /// A workload that does not have its pods yet, or a pod that is not ready.
    struct Unsettled: Sendable, Hashable {
        let words: String
        /// Whether it is a pod whose image is not to be had. Waiting does not help it.
        var lacksImage = false
    }

    /// Workloads that do not have their pods yet, and pods that are not ready.
    func unsettled(within limit: Duration) async -> [Unsettled] {
        do {
            var found: [Unsettled] = []
            for (resource, kind) in Self.workloads {
                let list = try await client.list(resource, within: limit) { octets in
                    Self.unsettled(kind, try JSONText.value(of: octets))
                }
                found += list.items.compactMap { $0.map { Unsettled(words: $0) } }
            }
            return found + unreadyPods
        } catch {
            return [Unsettled(words: "\(error)")]
        }
    }

    /// Whether a kubelet says that it cannot have a container's image (pkg/kubelet/images/types.go).
    static func lacksImage(_ reason: String) -> Bool {
        ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"].contains {
            reason.hasPrefix($0)
        }
    }

    /// Pods that are not ready, as the watch tells.
    var unreadyPods: [Unsettled] {
        read { state in
            state.pods.values.filter { $0.isActive && !$0.pod.isReady }.sorted { $0.key < $1.key }.map { pod in
                let reason = pod.reason ?? pod.pod.status.phase ?? "not ready"
                return Unsettled(words: "Pod \(pod.key): \(reason)", lacksImage: Self.lacksImage(reason))
            }
        }
    }

    private static let workloads: [(KubeResource, String)] = [
        (.deployments, "Deployment"), (.daemonSets, "DaemonSet"), (.statefulSets, "StatefulSet"),
        (.replicaSets, "ReplicaSet"),
    ]

    /// Says what a workload lacks; nil if its controller has seen it and all its pods are ready, and of its present
    /// template where the controller replaces the others.
    static func unsettled(_ kind: String, _ object: JSONValue) -> String? {
        let (metadata, status) = (object["metadata"], object["status"])
        let name = "\(kind) \(metadata?["namespace"]?.text ?? "")/\(metadata?["name"]?.text ?? "")"
        let generation = metadata?["generation"]?.integerValue ?? 0
        guard status?["observedGeneration"]?.integerValue ?? 0 >= generation else {
            return "\(name): its controller has not seen it"
        }
        let isDaemonSet = kind == "DaemonSet"
        let wanted =
            isDaemonSet
            ? status?["desiredNumberScheduled"]?.integerValue ?? 0 : object["spec"]?["replicas"]?.integerValue ?? 1
        let present = status?[isDaemonSet ? "currentNumberScheduled" : "replicas"]?.integerValue ?? 0
        let ready = status?[isDaemonSet ? "numberReady" : "readyReplicas"]?.integerValue ?? 0
        guard present == wanted && ready == wanted else { return "\(name): \(ready) of \(wanted) pods are ready" }
        // Until the first old pod is gone, all that there are may be ready.
        guard isRolledOut(kind, object["spec"]) else { return nil }
        let updated = status?[isDaemonSet ? "updatedNumberScheduled" : "updatedReplicas"]?.integerValue ?? 0
        return updated == wanted ? nil : "\(name): \(updated) of \(wanted) pods are of its present template"
    }

    /// Whether a workload's controller replaces pods of an older template by itself, and all of them.
    private static func isRolledOut(_ kind: String, _ spec: JSONValue?) -> Bool {
        let strategy = spec?["updateStrategy"]
        switch kind {
        case "Deployment": return spec?["paused"] != .bool(true)
        case "DaemonSet": return strategy?["type"]?.text != "OnDelete"
        case "StatefulSet":
            return strategy?["type"]?.text != "OnDelete"
                && strategy?["rollingUpdate"]?["partition"]?.integerValue ?? 0 == 0
        default: return false
        }
    }
}
