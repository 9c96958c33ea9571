import AgentAPI
import ClusterClient
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// Everything that the agent holds and changes. Only one thread at a time works on it (`Agent` has the lock).
struct AgentCore: ~Copyable {
    let settings: AgentSettings
    let store: StateStore
    let netlink: NetlinkSocket
    var devices: HostDevices
    let programs: DatapathPrograms
    var conntrack: Conntrack
    let features: DatapathFeatures
    var pool: NodeAddresses
    var identities: IdentityRegistry
    let events: EventLog
    var endpoints: [AttachmentKey: EndpointRecord] = [:]
    var cluster: StateStore.Cluster
    /// The cluster's objects as announced last.
    var objects: ClusterObjects
    var objectStore: ObjectStore
    /// The features that could not follow objects, by name: the reason, and the changes that they still have to follow.
    var objectProblems: [String: String] = [:]
    var missedObjects: [String: ObjectDelta] = [:]
    /// Why the datapath is not ready; empty if it is.
    var problems: [String] = ["starting"]
    let starts: Int
    var lastEndpointID: UInt16

    var own: NodeEntry { settings.nodeEntry(pool: pool) }
    var router: IPv4Address { pool.router }

    /// Brings the node's datapath up, or takes over what an earlier agent left.
    ///
    /// The order matters: maps are filled before a program that reads them is attached, and programs that are attached
    /// already continue to forward throughout.
    ///
    /// - Parameter allocation: The identities that the API server allocates; nil without one.
    static func start(_ settings: AgentSettings, allocation: IdentityTable? = nil) throws -> AgentCore {
        let store = try StateStore(directory: settings.config.statePath)
        let starts = try store.countStart()
        let pool = try settings.addresses()
        try BPFFilesystem.ensure()
        let programs = try DatapathPrograms.load(pins: BPFFilesystem.pins)
        let netlink = try NetlinkSocket()
        let devices = try HostDevices.ensure(settings, router: pool.router, store, netlink)
        Log.info("devices ready")
        var objectStore = try ObjectStore(directory: settings.config.statePath + "/objects")
        let objects = try objectStore.load(ObjectKind.allCases.filter { !ServiceMark.readLater.contains($0) })
        Log.info("objects read")
        var core = AgentCore(
            settings: settings, identities: IdentityRegistry(allocation: allocation), store: store, netlink: netlink,
            devices: devices, programs: programs,
            conntrack: try Conntrack.open(pins: BPFFilesystem.pins),
            features: DatapathFeatures(
                services: ServicesFeature(try ServiceTable.openMarked(pins: BPFFilesystem.pins)),
                proxy: ProxyFeature(
                    names: LearnedNames(try store.loadNames(), shortestTime: settings.options.dnsProxy.minTtl),
                    requests: try RequestPolicies(pins: BPFFilesystem.pins))), starts: starts, pool: pool,
            cluster: try store.loadCluster(), objects: objects, objectStore: objectStore,
            lastEndpointID: try store.lastEndpointID())
        for feature in core.features.all { try feature.restore(&core) }
        core.identities.remote = try core.identities.remoteIdentities(in: core.cluster.entries)
        for (number, labels) in core.identities.remote { allocation?.remember(number, labels) }
        try core.restore(try store.loadEndpoints())
        try core.configure(tracePoints: try core.chosenTracePoints())
        try core.reconcileMaps()
        try core.configureFeatures()
        Log.info("maps filled")
        core.followObjects(core.objects.everything, by: core.features.all.filter { !$0.isReading })
        for feature in core.features.all { try feature.activate(&core) }
        try core.reconcileRoutes()
        try core.programs.attach(to: devices)
        for endpoint in core.endpoints.values where !endpoint.isWithoutVeth {
            try core.programs.attachEndpoint(interface: endpoint.ifindex)
            // Pods of another plugin have the MTU that the plugin gave them.
            if endpoint.isChained { continue }
            do {
                try PodNetwork.setMTU(
                    devices.routeMTU, of: endpoint, namespace: try NetworkNamespace(path: endpoint.netns), core.netlink)
            } catch {
                // The runtime may be removing the pod at this moment.
                Log.warning("cannot set the MTU", ["endpoint": "\(endpoint.id)", "error": "\(error)"])
            }
        }
        Log.info("programs attached", ["endpoints": "\(core.endpoints.count)", "start": "\(starts)"])
        try core.ensureHealthEndpoint()
        return core
    }

    private init(
        settings: AgentSettings, identities: IdentityRegistry, store: StateStore, netlink: consuming NetlinkSocket,
        devices: HostDevices,
        programs: consuming DatapathPrograms, conntrack: consuming Conntrack,
        features: DatapathFeatures, starts: Int, pool: NodeAddresses,
        cluster: StateStore.Cluster,
        objects: ClusterObjects, objectStore: ObjectStore, lastEndpointID: UInt16
    ) {
        self.settings = settings
        self.identities = identities
        self.store = store
        self.netlink = netlink
        self.devices = devices
        self.programs = programs
        self.conntrack = conntrack
        self.features = features
        events = EventLog(rules: features.policy.state.ruleNames, names: features.proxy.names)
        self.starts = starts
        self.pool = pool
        self.cluster = cluster
        self.objects = objects
        self.objectStore = objectStore
        self.lastEndpointID = lastEndpointID
    }

    /// Takes over the endpoints that are complete, and removes what a kill left of the others.
    private mutating func restore(_ records: [EndpointRecord]) throws {
        let links = try netlink.links()
        for var record in records {
            let isThere =
                record.isWithoutVeth
                || links.contains { $0.name == record.hostInterface && Int($0.index) == record.ifindex }
            let isWhole = record.phase == .ready && isThere
            if isWhole, try adopt(&record) {
                endpoints[record.key] = record
                continue
            }
            // With another range than before, whole endpoints go, and their pods have no network any more.
            Log.warning(
                isWhole ? "removing endpoint: its address is not this node's any more" : "removing incomplete endpoint",
                [
                    "id": "\(record.id)", "pod": "\(record.namespace)/\(record.name)",
                    "phase": record.phase.rawValue, "address": record.address,
                ])
            try PodNetwork.disconnect(record, netlink)
            try store.remove(record)
        }
        let known = Set(endpoints.values.map(\.hostInterface))
        for link in links where EndpointNaming.isHostInterface(link.name) && !known.contains(link.name) {
            do throws(SystemError) {
                try netlink.deleteLink(index: link.index)
            } catch {
                if error.code != ENODEV { throw error }
            }
        }
    }

    /// Takes the address and identity of a restored endpoint. Returns false if they are no longer available.
    private mutating func adopt(_ record: inout EndpointRecord) throws -> Bool {
        guard let address = IPv4Address(record.address) else { return false }
        if record.isHealth { return address == pool.health }
        // An address of another plugin may lie in the node's range, where it must be reserved, or anywhere else.
        guard pool.restore(address) || record.isChained else { return false }
        record.identity = try identities.restore(record.identity, identityLabels(of: record))
        if record.isWithoutVeth { return true }
        record.enforcement = try programs.maps.enforcement(interface: record.ifindex)
        return true
    }

    /// Brings the maps in line with what the node knows. Entries that are right are not touched.
    func reconcileMaps() throws {
        let ready = endpoints.values.filter { $0.phase == .ready }
        try programs.maps.reconcileEndpoints(
            ready, hostAddresses: [settings.nodeAddress, router] + devices.nodeDevices.compactMap(\.address))
        try reconcileIPCache()
    }

    func reconcileIPCache() throws {
        let desired = try IPCachePlan.desired(
            own: own, nodes: cluster.nodes, remote: cluster.entries, endpoints: Array(endpoints.values),
            ranges: features.policy.state.ranges.numbers, apiServers: apiServers(),
            isTunnelled: settings.routing.tunnel != nil)
        let difference = IPCachePlan.difference(from: try programs.maps.ipcache(), to: desired)
        try programs.maps.apply(difference)
    }

    /// The points that report packets until somebody chooses others: see `ConfigEntry.tracePoints(after:isTracing:)`.
    private func chosenTracePoints() throws -> Set<TracePoint> {
        ConfigEntry.tracePoints(
            after: try programs.maps.configuration(), isTracing: settings.options.bpf.events.trace.enabled)
    }

    /// Writes the programs' configuration: what the node is, and what to report.
    func configure(tracePoints: Set<TracePoint>) throws {
        var config = DatapathConfig(
            nodeAddress: settings.nodeAddress, routerAddress: router, podRange: settings.podCIDR,
            clusterRanges: settings.clusterPodCIDRs, hostInterface: UInt32(devices.hostIndex),
            hostMAC: devices.hostMAC, overlayInterface: UInt32(devices.overlay?.index ?? 0),
            nodeInterface: UInt32(devices.deviceIndex))
        config.tunnelPort = settings.routing.tunnelPort
        config.routesNatively = settings.routing.tunnel == nil
        config.routeMTU = devices.routeMTU
        config.tracePoints = tracePoints
        config.tracesByDefault = settings.options.bpf.events.trace.enabled
        config.aggregatesTraces = false
        config.translatesHostSocketsOnly = settings.options.socketLB.hostNamespaceOnly
        config.pacesPods = settings.options.bandwidthManager.enabled
        config.leavesARP = settings.chains
        config.translatesServices = !settings.options.servedKinds.isEmpty
        config.translatesCallsFromOutside = config.translatesServices
        config.returnsDirectly = config.translatesServices && settings.options.loadBalancer.mode != .snat
        config.bypassesNetfilter =
            !settings.options.kubeProxyReplacement.isOff && settings.masquerade.way == .bpf
        try programs.maps.configure(config)
    }

    /// Checks whether everything that forwarding needs is in place, and mends what can be mended.
    mutating func verify() {
        do {
            problems = try programs.inspect(devices).missing + featureProblems()
            if !problems.isEmpty {
                Log.warning("mending the datapath", ["missing": problems.joined(separator: "; ")])
                try mend()
                problems = try programs.inspect(devices).missing + featureProblems()
            }
            let health = endpoints.values.first(where: \.isHealth)
            if try health.flatMap({ try netlink.findLink(named: $0.hostInterface) }) == nil {
                Log.warning("connecting the health endpoint again")
                try ensureHealthEndpoint()
            }
        } catch {
            problems = ["\(error)"]
        }
    }

    /// Looks everything up again, because devices may have been created anew. A NIC that was unplugged returns with
    /// another index.
    mutating func mend() throws {
        devices = try HostDevices.ensure(settings, router: router, store, netlink)
        try configure(tracePoints: try chosenTracePoints())
        try reconcileMaps()
        try configureFeatures()
        try reconcileRoutes()
        try programs.attach(to: devices)
    }

    /// Sets the node's routes to pods. With the overlay, the whole cluster's range leads to `labrun_host`; with native
    /// routing, only the node's own range does.
    ///
    /// - Parameter newcomer: An endpoint that is being connected.
    mutating func reconcileRoutes(newcomer: EndpointRecord? = nil) throws {
        let isTunnelled = settings.routing.tunnel != nil
        let pods = (endpoints.values.map(\.address) + [newcomer?.address].compactMap { $0 })
            .compactMap { IPv4Address($0) }.map { IPv4CIDR(host: $0) }
        let chained = (Array(endpoints.values) + [newcomer].compactMap { $0 }).filter {
            $0.isChained && !$0.isWithoutVeth
        }
        .compactMap { IPv4Address($0.address) }.map { IPv4CIDR(host: $0) }
        let own = pool.interfacePool == nil ? [settings.podCIDR] : pods
        try routeFeatures(newcomer: newcomer)
        let (routes, refused) = NodeRoutes.desired(
            // The other plugin's own route to its pod would bypass the datapath.
            local: (isTunnelled ? settings.clusterPodCIDRs : own) + chained,
            // With a tunnel, other nodes' pods could not answer the node's address. Among addresses of the VPC they
            // can.
            router: pool.interfacePool == nil ? router : settings.nodeAddress, hostIndex: devices.hostIndex,
            deviceIndex: devices.deviceIndex,
            onLink: try netlink.addresses(linkIndex: devices.deviceIndex).map(\.address.network),
            mtu: devices.routeMTU, own: self.own.name, nodes: cluster.nodes,
            makesNodeRoutes: settings.routing.makesNodeRoutes)
        for reason in refused { Log.warning(reason) }
        try NodeRoutes.reconcile(routes, netlink)
    }
}
