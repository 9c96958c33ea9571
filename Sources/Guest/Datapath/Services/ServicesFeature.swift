import AgentAPI
import DatapathOptions
import KubeObjects
import NetAddress

/// Services in kube-proxy's place: frontends and backends in the service maps, and the programs at sockets.
final class ServicesFeature: DatapathFeature {
    let name = "services"
    /// Services change with their slices, with pods' host ports and with the nodes' addresses.
    let kinds: Set<ObjectKind> = [.services, .nodes, .pods]

    var table: ServiceTable
    var slices = SliceIndex()
    /// While services and endpoint slices are not read yet, because the maps were marked as saying what they mean.
    var restoration: ServiceRestoration?
    /// Digest of the plan that all services were last made by; nil before the first time.
    var plannedServices: UInt64?
    /// How this start came to the content of the service maps, for the status.
    var startedBy = ""

    init(_ table: consuming ServiceTable) { self.table = table }

    var isReading: Bool { restoration != nil }

    func restore(_ core: inout AgentCore) throws {
        trustMark(&core)
        if restoration == nil { try load(&core) }
    }

    /// Without kube-proxy replacement there are no services. All of them are planned again when what they depend on,
    /// besides objects of their own, has changed.
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

    /// A backend that left goes with its last connection.
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws {
        if try table.collect(inUse: inUse.backends) { mark(core) }
    }

    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus) {
        status.services = startedBy + (restoration == nil ? "" : ", objects being read")
    }

    /// What services mean on this node now.
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
    /// Addresses of the node and of its devices, in order.
    fileprivate var ownAddresses: [IPv4Address] {
        Set([settings.nodeAddress] + devices.nodeDevices.compactMap(\.address)).sorted()
    }

    /// Addresses of this node and of the nodes that are known as objects, in order.
    fileprivate var nodeAddresses: [IPv4Address] {
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
    /// What the datapath serves: everything in kube-proxy's place, or what is switched on by itself, and with it
    /// cluster addresses for pods.
    var servedKinds: Set<FrontendPlan.Kind> {
        if kubeProxyReplacement.isComplete { return Set(FrontendPlan.Kind.allCases) }
        var kinds: Set<FrontendPlan.Kind> = []
        if nodePort.enabled { kinds.formUnion([.nodePort, .loadBalancer]) }
        if externalIPs.enabled { kinds.insert(.externalIP) }
        if hostPort.enabled { kinds.insert(.hostPort) }
        return kinds.isEmpty ? [] : kinds.union([.clusterIP])
    }
}
