import AgentAPI
import BPF
import DatapathModel
import LinuxKernel
import NetAddress

/// The pinned maps, in the agent's terms. Every change concerns one entry. No map is cleared and filled again.
struct DatapathMaps: ~Copyable {
    private let endpointMap: Map<EndpointKey, EndpointEntry>
    private let interfaceMap: Map<UInt32, InterfaceEntry>
    private let ipcacheMap: Map<IPCacheKey, IPCacheValue>
    private let metricsMap: PerCPUMap<MetricsKey, MetricsValue>
    private let forwardedMap: PerCPUMap<ForwardedKey, MetricsValue>
    private let configMap: Map<UInt32, ConfigEntry>
    private let revisionMap: Map<UInt32, UInt32>
    let policy: PolicyMaps

    /// Opens the maps that `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> DatapathMaps {
        DatapathMaps(
            endpointMap: try Map(pinnedAt: "\(pins)/\(MapName.endpoints)"),
            interfaceMap: try Map(pinnedAt: "\(pins)/\(MapName.interfaces)"),
            ipcacheMap: try Map(pinnedAt: "\(pins)/\(MapName.ipcache)"),
            metricsMap: try PerCPUMap(pinnedAt: "\(pins)/\(MapName.metrics)"),
            forwardedMap: try PerCPUMap(pinnedAt: "\(pins)/\(MapName.forwarded)"),
            configMap: try Map(pinnedAt: "\(pins)/\(MapName.config)"),
            revisionMap: try Map(pinnedAt: "\(pins)/\(MapName.revision)"), policy: try PolicyMaps.open(pins: pins))
    }

    /// Makes the programs judge every flow anew that they have in their flow caches. This must follow every change of a
    /// map, because what the caches hold was made from the maps as they were.
    func raiseRevision() throws(SystemError) { try revisionMap.raise() }

    func configure(_ config: DatapathConfig) throws(SystemError) { try configMap.update(ConfigEntry(config), for: 0) }

    /// The configuration as the map has it. Its version is 0 before the first agent has written it.
    func configuration() throws(SystemError) -> ConfigEntry? { try configMap.value(for: 0) }

    // MARK: Endpoints

    /// Makes the endpoint reachable. Its interface must be known before an address leads to it.
    func insert(_ endpoint: EndpointRecord) throws {
        let parts = try Parts(endpoint)
        // An endpoint without an interface on the node has an identity, but nothing can be sent to it from here.
        if !endpoint.isWithoutVeth {
            try interfaceMap.update(parts.interface, for: UInt32(endpoint.ifindex))
            try endpointMap.update(parts.entry, for: EndpointKey(parts.address))
        }
        try ipcacheMap.update(
            IPCacheValue(identity: Identity(rawValue: endpoint.identity)),
            for: IPCacheKey(IPv4CIDR(host: parts.address)))
    }

    /// Updates only the interface's entry, for policy.
    func updateInterface(of endpoint: EndpointRecord) throws {
        try interfaceMap.update(try Parts(endpoint).interface, for: UInt32(endpoint.ifindex))
    }

    /// Returns the present policy enforcement of an interface's endpoint.
    func enforcement(interface: Int) throws(SystemError) -> PolicyEnforcement {
        try interfaceMap.value(for: UInt32(interface))?.enforcement ?? PolicyEnforcement()
    }

    func removeAddress(of endpoint: EndpointRecord) throws(SystemError) {
        guard let address = IPv4Address(endpoint.address) else { return }
        try endpointMap.removeValue(for: EndpointKey(address))
        try ipcacheMap.removeValue(for: IPCacheKey(IPv4CIDR(host: address)))
    }

    func removeInterface(of endpoint: EndpointRecord) throws(SystemError) {
        guard endpoint.ifindex != 0 else { return }
        try interfaceMap.removeValue(for: UInt32(endpoint.ifindex))
    }

    /// Says whether both maps have the endpoint.
    func contains(_ endpoint: EndpointRecord) throws -> Bool {
        let parts = try Parts(endpoint)
        guard let entry = try endpointMap.value(for: EndpointKey(parts.address)),
            let interface = try interfaceMap.value(for: UInt32(endpoint.ifindex))
        else { return false }
        return sameBytes(entry, parts.entry) && sameBytes(interface, parts.interface)
    }

    /// Makes the maps hold exactly these endpoints and the node's own addresses.
    func reconcileEndpoints(_ endpoints: [EndpointRecord], hostAddresses: [IPv4Address]) throws {
        var addresses = Set(hostAddresses)
        var interfaces = Set<UInt32>()
        for address in hostAddresses {
            if try endpointMap.value(for: EndpointKey(address)).map({ sameBytes($0, .host) }) != true {
                try endpointMap.update(.host, for: EndpointKey(address))
            }
        }
        for endpoint in endpoints where !endpoint.isWithoutVeth {
            addresses.insert(try Parts(endpoint).address)
            interfaces.insert(UInt32(endpoint.ifindex))
            if try !contains(endpoint) { try insert(endpoint) }
        }
        for key in try endpointMap.keys() where key.address.map({ !addresses.contains($0) }) ?? true {
            try endpointMap.removeValue(for: key)
        }
        for key in try interfaceMap.keys() where !interfaces.contains(key) { try interfaceMap.removeValue(for: key) }
    }

    private func sameBytes<Value: BitwiseCopyable>(_ left: Value, _ right: Value) -> Bool {
        withUnsafeBytes(of: left) { left in withUnsafeBytes(of: right) { left.elementsEqual($0) } }
    }

    /// An endpoint in the maps' types.
    private struct Parts {
        let address: IPv4Address
        let entry: EndpointEntry
        let interface: InterfaceEntry

        init(_ endpoint: EndpointRecord) throws(DatapathError) {
            guard let address = IPv4Address(endpoint.address), let pod = MACAddress(endpoint.mac),
                let host = MACAddress(endpoint.hostMAC)
            else { throw .invalidState(path: "endpoint \(endpoint.id)", reason: "malformed address") }
            let identity = Identity(rawValue: endpoint.identity)
            self.address = address
            entry = EndpointEntry(
                id: endpoint.id, identity: identity, interface: UInt32(endpoint.ifindex), podMAC: pod, hostMAC: host,
                // Programs that another plugin put on its interface, such as a shaper, must keep their effect.
                isReachedAtPeer: !endpoint.isChained)
            interface = InterfaceEntry(
                endpointID: endpoint.id, identity: identity, ipv4: address, podMAC: pod, hostMAC: host,
                enforcement: endpoint.enforcement)
        }
    }

    // MARK: ipcache

    func ipcache() throws(SystemError) -> [IPv4CIDR: IPCachePlan.Value] {
        var content: [IPv4CIDR: IPCachePlan.Value] = [:]
        for (key, value) in try ipcacheMap.entries() {
            guard let range = key.range else { continue }
            content[range] = IPCachePlan.Value(
                identity: value.identity.rawValue, tunnelEndpoint: value.tunnelEndpoint)
        }
        return content
    }

    func apply(_ difference: IPCachePlan.Difference) throws(SystemError) {
        for (range, value) in difference.set {
            let identity = Identity(rawValue: value.identity)
            try ipcacheMap.update(
                IPCacheValue(identity: identity, tunnelEndpoint: value.tunnelEndpoint),
                for: IPCacheKey(range))
        }
        for range in difference.remove { try ipcacheMap.removeValue(for: IPCacheKey(range)) }
    }

    // MARK: Metrics

    /// Returns the counters by reason and direction, summed over processors.
    func metrics() throws(SystemError) -> [MetricSample] {
        var sums: [Series: MetricsValue] = [:]
        func add(_ key: MetricsKey, _ values: [MetricsValue]) {
            let series = Series(reason: key.reason, direction: key.direction?.description ?? "unknown")
            sums[series] = values.reduce(sums[series] ?? MetricsValue()) { $0 + $1 }
        }
        for (key, values) in try metricsMap.entries() { add(key, values) }
        // An array has every index. Points at which nothing was forwarded give no series.
        for (key, values) in try forwardedMap.entries() where values.contains(where: { $0.packets > 0 }) {
            if let metric = key.metric { add(metric, values) }
        }
        return sums.map { series, value in
            MetricSample(
                reason: series.reason.name, code: Int(series.reason.rawValue), direction: series.direction,
                packets: value.packets, bytes: value.bytes)
        }
        .sorted { ($0.code, $0.direction) > ($1.code, $1.direction) }
    }

    /// Returns how many packets the flow caches of all processors served since the map was made.
    func packetsServedByFlowCache() throws(SystemError) -> UInt64 {
        var sum: UInt64 = 0
        for key in ForwardedKey.cached {
            for value in try forwardedMap.values(for: key) ?? [] { sum += value.packets }
        }
        return sum
    }

    /// Returns how many packets were forwarded since the map was made, counted at each trace point that they passed.
    func packetsForwarded() throws(SystemError) -> UInt64 {
        var sum: UInt64 = 0
        for (_, values) in try forwardedMap.entries() {
            for value in values { sum += value.packets }
        }
        return sum
    }

    private struct Series: Hashable {
        let reason: Reason
        let direction: String
    }
}
