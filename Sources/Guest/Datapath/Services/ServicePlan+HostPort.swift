import DatapathModel
import KubeObjects
import NetAddress

extension ServicePlan {
    /// The key for a pod's host ports among the services. No service can have such a name.
    static func hostPortKey(of pod: ObjectKey) -> ObjectKey {
        ObjectKey(namespace: pod.namespace, name: "\(pod.name)/host-port")
    }

    /// Returns the frontends for the `hostPort`s of a pod on this node: at the node's addresses, or at `hostIP` if that
    /// is one of them. A pod in the node's own network, or one that has ended or has no address yet, has none.
    func frontends(of pod: Pod) -> [ServiceEnd: FrontendPlan] {
        guard pod.spec.nodeName == nodeName, pod.spec.hostNetwork != true,
            pod.status.phase != "Succeeded", pod.status.phase != "Failed",
            let address = pod.status.podIP.flatMap({ IPv4Address($0) })
        else { return [:] }
        var plans: [ServiceEnd: FrontendPlan] = [:]
        for port in pod.spec.containers.flatMap(\.ports) {
            guard let hostPort = port.hostPort, hostPort != 0, let number = Self.number(of: port.protocol) else {
                continue
            }
            let wanted = port.hostIP.flatMap { $0.isEmpty || $0 == "0.0.0.0" ? nil : $0 }
            for own in ownAddresses where wanted == nil || wanted == own.description {
                plans[ServiceEnd(address: own, port: hostPort, ipProtocol: number)] = FrontendPlan(
                    service: Self.hostPortKey(of: pod.key), kind: .hostPort,
                    backends: [ServiceEnd(address: address, port: port.containerPort, ipProtocol: number)],
                    affinitySeconds: 0, flags: .outside)
            }
        }
        return plans.filter { kinds.contains($0.value.kind) }
    }
}
