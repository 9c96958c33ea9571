import DatapathOptions
import KubeObjects
import NetAddress

extension ObjectConsumer {
    /// Services, which change with their slices, pods' host ports and the nodes' addresses → the service maps; all of them when
    /// what they depend on besides objects of their own has changed. Without kube-proxy replacement there are none.
    static let services = ObjectConsumer(name: "services", kinds: [.services, .nodes, .pods]) { core, delta in
        try core.reconcileServices(delta)
    }
}

extension AgentCore {
    mutating func reconcileServices(_ delta: ObjectDelta) throws {
        let plan = servicePlan
        let digest = plan.digest
        var (due, pods) = (delta[.services], delta[.pods])
        if digest != plannedServices {
            due.formUnion(objects.services.keys)
            pods.formUnion(objects.pods.keys)
        }
        try services.reconcile(plan, services: due, pods: pods, objects, slices)
        plannedServices = digest
    }

    /// What services mean on this node now.
    var servicePlan: ServicePlan {
        var plan = ServicePlan(
            nodeName: settings.config.nodeName, nodeAddresses: nodeAddresses, ownAddresses: ownAddresses,
            opensClusterAddresses: settings.options.bpf.lbExternalClusterIP,
            maglevSize: settings.options.loadBalancer.algorithm == .maglev ? settings.options.maglev.tableSize : 0)
        plan.kinds = settings.options.servedKinds
        switch settings.options.loadBalancer.mode {
        case .snat: break
        case .dsr: plan.directProtocols = [6, 17]
        case .hybrid: plan.directProtocols = [6]
        }
        return plan
    }

    /// Of the node and of its devices, in order.
    private var ownAddresses: [IPv4Address] {
        Set([settings.nodeAddress] + devices.nodeDevices.compactMap(\.address)).sorted()
    }

    /// This node's and those of the nodes that are known as objects.
    private var nodeAddresses: [IPv4Address] {
        let known = objects.nodes.values.compactMap { $0.internalIP.flatMap { IPv4Address($0) } }
        return Set(known + [settings.nodeAddress]).sorted()
    }
}

extension ServiceTable {
    /// Makes the frontends of these services, and of the host ports of these pods, what the objects say.
    mutating func reconcile(
        _ plan: ServicePlan, services: Set<ObjectKey>, pods: Set<ObjectKey>, _ objects: ClusterObjects,
        _ slices: SliceIndex
    ) throws {
        for key in services.sorted() {
            let own = slices.slices(of: key).compactMap { objects.endpointSlices[$0] }
            try program(key, objects.services[key].map { plan.frontends(of: $0, own) } ?? [:])
        }
        for key in pods.sorted() {
            try program(ServicePlan.hostPortKey(of: key), objects.pods[key].map { plan.frontends(of: $0) } ?? [:])
        }
        try finishPlanning()
    }

    private mutating func program(_ key: ObjectKey, _ frontends: [ServiceEnd: FrontendPlan]) throws {
        for end in try set(key, frontends) {
            Log.warning("frontend belongs to another service", ["service": "\(key)", "frontend": "\(end)"])
        }
    }
}

extension DatapathOptions {
    /// What the datapath serves: everything in kube-proxy's place, or what is switched on by itself, and with it cluster
    /// addresses for pods.
    var servedKinds: Set<FrontendPlan.Kind> {
        if kubeProxyReplacement.isComplete { return Set(FrontendPlan.Kind.allCases) }
        var kinds: Set<FrontendPlan.Kind> = []
        if nodePort.enabled { kinds.formUnion([.nodePort, .loadBalancer]) }
        if externalIPs.enabled { kinds.insert(.externalIP) }
        if hostPort.enabled { kinds.insert(.hostPort) }
        return kinds.isEmpty ? [] : kinds.union([.clusterIP])
    }
}
