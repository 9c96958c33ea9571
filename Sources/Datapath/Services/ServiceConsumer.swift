import KubeObjects
import NetAddress

extension ObjectConsumer {
    /// Services, endpoint slices and the nodes' addresses → the service maps. Without kube-proxy replacement there are none.
    static let services = ObjectConsumer(name: "services", kinds: [.services, .endpointSlices, .nodes]) { core, delta in
        try core.reconcileServices(delta)
    }
}

extension AgentCore {
    mutating func reconcileServices(_ delta: ObjectDelta) throws {
        let plan = ServicePlan(nodeName: settings.config.nodeName, nodeAddresses: nodeAddresses)
        var due = delta[.services]
        for key in delta[.endpointSlices] {
            // A slice that is gone no longer says whose it was.
            for service in [sliceServices[key], objects.endpointSlices[key]?.service] {
                service.map { _ = due.insert($0) }
            }
        }
        if !delta[.nodes].isEmpty { due.formUnion(objects.services.keys) }
        var slices: [ObjectKey: [EndpointSlice]] = [:]
        sliceServices = objects.endpointSlices.compactMapValues(\.service)
        for slice in objects.endpointSlices.values {
            if let service = slice.service, due.contains(service) { slices[service, default: []].append(slice) }
        }
        for key in due.sorted() {
            let frontends =
                !settings.options.kubeProxyReplacement.isOff
                ? objects.services[key].map { plan.frontends(of: $0, slices[key] ?? []) } ?? [:] : [:]
            for end in try services.set(key, frontends) {
                Log.warning("frontend belongs to another service", ["service": "\(key)", "frontend": "\(end)"])
            }
        }
        try services.finishPlanning()
    }

    /// This node's and those of the nodes that are known as objects.
    private var nodeAddresses: [IPv4Address] {
        let known = objects.nodes.values.compactMap { $0.internalIP.flatMap { IPv4Address($0) } }
        return Set(known + [settings.nodeAddress]).sorted()
    }
}
