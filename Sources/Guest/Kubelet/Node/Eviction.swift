/// Which pod makes room when memory is short, and what is said of it (`pkg/kubelet/eviction/helpers.go`).
enum Eviction {
    struct Candidate {
        let pod: KubePod
        /// Bytes of memory that the pod takes. What is not measured counts as nothing.
        let usage: Int64
        /// Bytes that its containers take, by their names.
        let containers: [String: Int64]

        var request: Int64 { Admission.request(pod.spec, "memory") / 1000 }
    }

    /// What is said of a pod that is evicted.
    struct Notice: Sendable, Equatable {
        var message: String
        /// Of the event.
        var annotations: [String: String]
    }

    /// Pods that take more than they asked for first, then the least priority, then what is furthest above its request.
    static func first(_ candidates: [Candidate]) -> Candidate? {
        candidates.min { one, other in
            let (exceeds, otherExceeds) = (one.usage > one.request, other.usage > other.request)
            if exceeds != otherExceeds { return exceeds }
            let (priority, otherPriority) = (one.pod.spec.priority ?? 0, other.pod.spec.priority ?? 0)
            if priority != otherPriority { return priority < otherPriority }
            let (above, otherAbove) = (one.usage - one.request, other.usage - other.request)
            if above != otherAbove { return above > otherAbove }
            return one.pod.identity < other.pod.identity
        }
    }

    static func notice(_ candidate: Candidate) -> Notice {
        var message = "The node was low on resource: memory. "
        var offending: [(name: String, usage: String)] = []
        for container in candidate.pod.spec.containers {
            guard let bytes = candidate.containers[container.name] else { continue }
            let (usage, request) = (Quantity(bytes: bytes), container.requests["memory"])
            guard bytes > request?.value ?? 0 else { continue }
            message +=
                "Container \(container.name) was using \(usage), which exceeds its request of "
                + "\(request?.description ?? "0"). "
            offending.append((container.name, usage.description))
        }
        return Notice(
            message: message,
            annotations: [
                "offending_containers": offending.map(\.name).joined(separator: ","),
                "offending_containers_usage": offending.map(\.usage).joined(separator: ","),
                "starved_resource": "memory",
            ])
    }
}
