import KubeObjects
import Observations
import Scenario

extension ServerStore: ObjectStore {
    public var objects: ClusterObjects { get async { read(\.objects) } }

    public var services: [Service] { read { Array($0.objects.services.values) } }

    public var runningPods: [Cluster.RunningPod] {
        get async {
            read { state in
                state.pods.values.filter(\.isRunning).sorted { $0.key < $1.key }.map { pod in
                    Cluster.RunningPod(
                        planned: planned(pod, state.names.present[pod.key]), address: pod.pod.status.podIP ?? "",
                        isOnHost: pod.pod.spec.hostNetwork == true)
                }
            }
        }
    }

    public var waitingPods: [WaitingPod] {
        read { state in
            state.pods.values.filter { $0.isActive && !$0.isRunning }.sorted { $0.key < $1.key }.map { pod in
                WaitingPod(
                    planned: planned(pod, state.names.present[pod.key]),
                    reason: pod.reason ?? pod.pod.status.phase ?? "Pending")
            }
        }
    }

    /// What the matrix calls a pod, now or when it lived; nil if it never had a name there.
    func name(ofPod key: ObjectKey) -> String? { read { $0.names.ever[key] } }

    private func planned(_ served: ServedPod, _ name: String?) -> PlannedPod {
        let pod = served.pod
        var planned = PlannedPod(
            namespace: pod.metadata.namespace, name: name ?? pod.metadata.name, labels: pod.metadata.labels,
            node: pod.spec.nodeName ?? "", port: echo.port(of: pod.spec.containers),
            ports: pod.spec.containers.flatMap(\.ports), restartPolicy: (pod.spec.restartPolicy ?? .always).rawValue)
        if planned.name != pod.metadata.name { planned.ownName = pod.metadata.name }
        return planned
    }
}
