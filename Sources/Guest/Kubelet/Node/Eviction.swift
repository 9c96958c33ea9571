/// Which pod makes room when memory is short, and what is said of it.
enum Eviction {
    struct Candidate {
        let pod: KubePod
        /// Bytes of memory.
        let usage: Int64

        var request: Int64 { Admission.request(pod.spec, "memory") / 1000 }
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

    static func message(_ candidate: Candidate) -> String {
        var message = "The node was low on resource: memory. "
        // Usage is measured a pod, so that it can be said of a container only if there is one.
        let containers = candidate.pod.spec.containers
        if containers.count == 1, candidate.usage > candidate.request {
            let request = containers[0].requests["memory"].map(\.description) ?? "0"
            message +=
                "Container \(containers[0].name) was using \(Quantity(bytes: candidate.usage)), which exceeds its "
                + "request of \(request). "
        }
        return message
    }
}
