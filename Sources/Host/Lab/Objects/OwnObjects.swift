import KubeObjects
import NetAddress
import Scenario
import Synchronization

/// The objects and pods of a cluster without a control plane. The harness makes pods by itself, and derives from them
/// and from the files what Kubernetes' controllers would.
final class OwnObjects: ObjectStore {
    private let plan: LabPlan
    private let membership: Membership
    let store: Mutex<ClusterStore>
    let pods = Observed([Cluster.RunningPod]())
    /// Pods that are being deleted and are still there.
    let terminatingPods = Mutex<Set<ObjectKey>>([])
    /// Pods that their nodes have refused, by the endpoint's id.
    let waiting = Mutex<[String: WaitingPod]>([:])

    init(_ plan: LabPlan, _ membership: Membership) {
        self.plan = plan
        self.membership = membership
        store = Mutex(ClusterStore(serviceRange: IPv4CIDR(plan.profile.serviceCIDR) ?? LabPlan.usualServiceRange))
    }

    var objects: ClusterObjects {
        get async {
            let pods = await pods.value.map(pod)
            let terminating = terminatingPods.withLock { $0 }
            return store.withLock { $0.objects(nodes: kubeNodes, pods: pods, terminating: terminating) }
        }
    }

    var services: [Service] { store.withLock { Array($0.applied.services.values) } }

    var runningPods: [Cluster.RunningPod] { get async { await pods.value } }

    var waitingPods: [WaitingPod] {
        waiting.withLock { $0.values.sorted { $0.planned.endpointID < $1.planned.endpointID } }
    }

    var kubeNodes: [Node] {
        plan.nodes.filter { membership.standing(of: $0.name) != .absent }.map { node in
            let traits = plan.profile.traits(of: node.name).adding(membership.traits(of: node.name))
            return Node(
                metadata: ObjectMeta(
                    name: node.name, labels: traits.labels.merging(["kubernetes.io/hostname": node.name]) { $1 }),
                spec: .init(podCIDR: plan.profile.writesPodCIDR ? node.podCIDR : nil),
                status: .init(addresses: [
                    .init(type: "InternalIP", address: node.address), .init(type: "Hostname", address: node.name),
                ]))
        }
    }

    private func pod(_ running: Cluster.RunningPod) -> Pod {
        let planned = running.planned
        let ports = planned.ports.isEmpty ? [Pod.Port(containerPort: planned.port)] : planned.ports
        return Pod(
            metadata: ObjectMeta(name: planned.name, namespace: planned.namespace, labels: planned.labels),
            spec: .init(nodeName: planned.node, containers: [.init(name: "main", ports: ports)]),
            status: .init(
                phase: "Running", podIP: running.address,
                hostIP: plan.nodes.first { $0.name == planned.node }?.address,
                conditions: [.init(type: "Ready", status: "True")]))
    }
}
