import KubeObjects
import NetAddress

extension ObjectConsumer {
    /// Services, endpoint slices and the nodes' addresses → the service maps. Without kube-proxy replacement there are none.
    static let services = ObjectConsumer(name: "services", kinds: [.services, .nodes]) { core, delta in
        try core.reconcileServices(delta)
    }
}

extension AgentCore {
    mutating func reconcileServices(_ delta: ObjectDelta) throws {
        let plan = ServicePlan(nodeName: settings.config.nodeName, nodeAddresses: nodeAddresses)
        var due = delta[.services]
        if !delta[.nodes].isEmpty { due.formUnion(objects.services.keys) }
        for key in due.sorted() {
            let frontends =
                !settings.options.kubeProxyReplacement.isOff
                ? objects.services[key].map { plan.frontends(of: $0, slices(of: key)) } ?? [:] : [:]
            for end in try services.set(key, frontends) {
                Log.warning("frontend belongs to another service", ["service": "\(key)", "frontend": "\(end)"])
            }
        }
        try services.finishPlanning()
    }

    private func slices(of service: ObjectKey) -> [EndpointSlice] {
        slices.slices(of: service).compactMap { objects.endpointSlices[$0] }
    }

    /// This node's and those of the nodes that are known as objects.
    private var nodeAddresses: [IPv4Address] {
        let known = objects.nodes.values.compactMap { $0.internalIP.flatMap { IPv4Address($0) } }
        return Set(known + [settings.nodeAddress]).sorted()
    }
}
