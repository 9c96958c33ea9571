import AgentAPI
import DatapathOptions
import KubeObjects
import NetAddress

/// Services in place of kube-proxy: frontends and backends in the service maps, and the programs at sockets.
final class ServicesFeature: DatapathFeature {
    let name = "services"
    /// Services change with their slices, with pods' host ports and with the nodes' addresses.
    let kinds: Set<ObjectKind> = [.services, .nodes, .pods]

    var table: ServiceTable
    var slices = SliceIndex()
    /// Set while services and endpoint slices are not read yet, because the maps were marked as up to date.
    var restoration: ServiceRestoration?
    /// The digest of the plan with which all services were last made; nil before the first time.
    var plannedServices: UInt64?
    /// How this start obtained the content of the service maps. The status shows it.
    var startedBy = ""

    init(_ table: consuming ServiceTable) { self.table = table }

    var isReading: Bool { restoration != nil }

    func restore(_ core: inout AgentCore) throws {
        trustMark(&core)
        if restoration == nil { try load(&core) }
    }

    /// Follows changes of objects. Without kube-proxy replacement there are no services. All services are planned again
    /// if anything else that they depend on has changed.
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws {
        let plan = plan(core)
        let digest = plan.digest
        var (due, pods) = (delta[.services], delta[.pods])
        if digest != plannedServices {
            due.formUnion(core.objects.services.keys)
            pods.formUnion(core.objects.pods.keys)
        }
        try table.reconcile(plan, services: due, pods: pods, core.objects, slices)
        plannedServices = digest
    }

    func activate(_ core: inout AgentCore) throws {
        mark(core)
        let options = core.settings.options
        try SocketPrograms.reconcile(
            wanted: options.socketLB.enabled && !options.kubeProxyReplacement.isOff, pins: BPFFilesystem.pins)
    }

    /// Removes draining backends whose last connection has ended.
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws {
        if try table.collect(inUse: inUse.backends) { mark(core) }
    }

    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus) {
        status.services = startedBy + (restoration == nil ? "" : ", objects being read")
    }

    /// Returns the present plan of services on this node.
    func plan(_ core: borrowing AgentCore) -> ServicePlan {
        let settings = core.settings
        var plan = ServicePlan(
            nodeName: settings.config.nodeName, nodeAddresses: core.nodeAddresses, ownAddresses: core.ownAddresses,
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
}

extension AgentCore {
    /// The addresses of the node and of its devices, in order.
    fileprivate var ownAddresses: [IPv4Address] {
        Set([settings.nodeAddress] + devices.nodeDevices.compactMap(\.address)).sorted()
    }

    /// The addresses of this node and of all nodes that are known as objects, in order.
    fileprivate var nodeAddresses: [IPv4Address] {
        let known = objects.nodes.values.compactMap { $0.internalIP.flatMap { IPv4Address($0) } }
        return Set(known + [settings.nodeAddress]).sorted()
    }
}

extension ServiceTable {
    /// Brings the frontends of these services, and of these pods' host ports, in line with the objects.
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
    /// The kinds of frontends that the datapath serves: all in place of kube-proxy, or those that are switched on one
    /// by one, with cluster addresses for pods in any case.
    var servedKinds: Set<FrontendPlan.Kind> {
        if kubeProxyReplacement.isComplete { return Set(FrontendPlan.Kind.allCases) }
        var kinds: Set<FrontendPlan.Kind> = []
        if nodePort.enabled { kinds.formUnion([.nodePort, .loadBalancer]) }
        if externalIPs.enabled { kinds.insert(.externalIP) }
        if hostPort.enabled { kinds.insert(.hostPort) }
        return kinds.isEmpty ? [] : kinds.union([.clusterIP])
    }
}
