import JSON
import KubeClient

extension ServerStore {
    /// Workloads that do not have their pods yet, and pods that are not ready, in words.
    func unsettled(within limit: Duration) async -> [String] {
        do {
            var words: [String] = []
            for (resource, kind) in Self.workloads {
                let list = try await client.list(resource, within: limit) { octets in
                    Self.unsettled(kind, try JSONText.value(of: octets))
                }
                words += list.items.compactMap { $0 }
            }
            return words
                + read { state in
                    state.pods.values.filter { $0.isActive && !$0.pod.isReady }.sorted { $0.key < $1.key }.map { pod in
                        "Pod \(pod.key): \(pod.reason ?? pod.pod.status.phase ?? "not ready")"
                    }
                }
        } catch {
            return ["\(error)"]
        }
    }

    private static let workloads: [(KubeResource, String)] = [
        (.deployments, "Deployment"), (.daemonSets, "DaemonSet"), (.statefulSets, "StatefulSet"),
        (.replicaSets, "ReplicaSet"),
    ]

    /// Says what a workload lacks; nil if its controller has seen it and all its pods are ready.
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
        return present == wanted && ready == wanted ? nil : "\(name): \(ready) of \(wanted) pods are ready"
    }
}
