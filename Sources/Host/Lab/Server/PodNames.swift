import KubeObjects

/// What the matrix calls the pods of an API server, whose own names nobody knows beforehand.
///
/// The pods of a deployment `web` are `web-1`, `web-2`, …, those of a daemon set `NAME-NODE`; so they are called in a lab
/// without a control plane, too. A pod keeps its name as long as it lives. New pods take the lowest numbers that are
/// free, by the order of their own names. Pods of a stateful set, and pods that nothing made, have their own names.
struct PodNames: Sendable {
    /// More names of pods that are gone are not kept.
    static let mostKept = 20_000

    private struct Numbered: Hashable {
        let workload: ServedPod.Controller
        let namespace: String
    }
    private var numbers: [ObjectKey: (owner: Numbered, number: Int)] = [:]
    /// Names of pods that live.
    private(set) var present: [ObjectKey: String] = [:]
    /// Names of all pods that ever had one.
    private(set) var ever: [ObjectKey: String] = [:]

    /// Names the pods that there are now.
    mutating func update(_ pods: some Collection<ServedPod>) {
        let active = pods.filter(\.isActive).sorted { $0.key < $1.key }
        let keys = Set(active.map(\.key))
        numbers = numbers.filter { keys.contains($0.key) }
        var taken: [Numbered: Set<Int>] = [:]
        for (owner, number) in numbers.values { taken[owner, default: []].insert(number) }
        present = [:]
        var used: Set<String> = []
        func name(_ pod: ServedPod, _ wanted: String) {
            // Two workloads may give one name. Then the pod's own tells them apart.
            let isFree = used.insert("\(pod.key.namespace)/\(wanted)").inserted
            present[pod.key] = isFree ? wanted : pod.key.name
        }
        for pod in active {
            guard let workload = pod.workload else {
                name(pod, pod.key.name)
                continue
            }
            switch workload.kind {
            case "DaemonSet": name(pod, pod.pod.spec.nodeName.map { "\(workload.name)-\($0)" } ?? pod.key.name)
            case "Deployment", "ReplicaSet", "ReplicationController", "Job":
                let owner = Numbered(workload: workload, namespace: pod.key.namespace)
                var number = numbers[pod.key]?.number
                if number == nil {
                    var free = 1
                    while taken[owner]?.contains(free) == true { free += 1 }
                    taken[owner, default: []].insert(free)
                    numbers[pod.key] = (owner, free)
                    number = free
                }
                name(pod, "\(workload.name)-\(number ?? 0)")
            default: name(pod, pod.key.name)
            }
        }
        ever.merge(present) { $1 }
        if ever.count > Self.mostKept { ever = present }
    }

    /// The pod that has a name of the matrix; nil if none has it now.
    func pod(named name: String, in namespace: String) -> ObjectKey? {
        present.first { $0.key.namespace == namespace && $0.value == name }?.key
    }
}
