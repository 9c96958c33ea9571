import AgentAPI
import BPF
import DatapathModel
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// The pinned maps of masquerade.
struct NATMaps: ~Copyable {
    private let flows: Map<NATKey, NATEntry>
    private let config: Map<UInt32, NATConfigEntry>
    private let exclusions: Map<IPCacheKey, UInt32>
    private let devices: Map<UInt32, DeviceEntry>

    static func open(pins: String) throws(SystemError) -> NATMaps {
        NATMaps(
            flows: try Map(pinnedAt: "\(pins)/\(MapName.nat)"),
            config: try Map(pinnedAt: "\(pins)/\(MapName.natConfig)"),
            exclusions: try Map(pinnedAt: "\(pins)/\(MapName.natExclude)"),
            devices: try Map(pinnedAt: "\(pins)/\(MapName.devices)"))
    }

    // MARK: Configuration

    func configure(_ plan: MasqueradePlan, podMTU: Int) throws(SystemError) {
        try config.update(
            NATConfigEntry(
                masquerades: plan.way == .bpf, remoteNodes: plan.remoteNodesAreOutside, podMTU: UInt32(podMTU)), for: 0)
    }

    /// Makes the map hold exactly these ranges.
    func reconcile(exclusions desired: [IPv4CIDR: MasqueradeExclusion]) throws(SystemError) {
        for (range, reason) in desired { try exclusions.update(reason.rawValue, for: IPCacheKey(range)) }
        for key in try exclusions.keys() where key.range.map({ desired[$0] == nil }) ?? true {
            try exclusions.removeValue(for: key)
        }
    }

    /// The interfaces that this agent, or an earlier one, was told to use.
    func deviceIndices() throws(SystemError) -> [UInt32] { try devices.keys() }

    func insert(_ device: NodeDevice) throws(SystemError) {
        try devices.update(DeviceEntry(address: device.address ?? .any), for: UInt32(device.index))
    }

    func removeDevice(_ index: UInt32) throws(SystemError) { try devices.removeValue(for: index) }

    // MARK: Flows

    /// Removes the entries of flows that are over.
    ///
    /// - Parameter inside: The addresses of the node and its pods.
    ///
    /// - Returns: The fill level of the map afterwards.
    func collect(inside: Set<IPv4Address>) throws(SystemError) -> MapGauge {
        let entries = try flowEntries()
        let expired = NATCollection.expired(entries, now: Self.now()) { inside.contains($0) }
        for key in expired { try flows.removeValue(for: key) }
        return MapGauge(name: MapName.nat, entries: entries.count - expired.count, capacity: try flows.capacity())
    }

    /// Removes the flows of pods, since the kernel's own masquerade may take their ports.
    func forget() throws(SystemError) {
        for (key, entry) in try flows.entries() where !entry.flags.contains(.service) {
            try flows.removeValue(for: key)
        }
    }

    /// Returns all entries in readable form, with those that leave first.
    func listing() throws(SystemError) -> NATListing {
        let now = Self.now()
        let mappings = try flowEntries().compactMap { key, entry in NATMapping(key, entry, now: now) }
        return NATListing(
            mappings: mappings.sorted { $0.order.lexicographicallyPrecedes($1.order) },
            maximum: try flows.capacity())
    }

    private func flowEntries() throws(SystemError) -> [NATKey: NATEntry] {
        Dictionary(try flows.entries().map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    /// CLOCK_MONOTONIC in nanoseconds, which is the clock of the entries.
    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension NATMapping {
    fileprivate init?(_ key: NATKey, _ entry: NATEntry, now: UInt64) {
        guard let source = key.source, let destination = key.destination, let direction = key.direction else {
            return nil
        }
        func seconds(since time: UInt64) -> Int { now > time ? Int((now - time) / 1_000_000_000) : 0 }
        self.init(
            direction: direction.description, protocol: key.protocol, source: source.description,
            sourcePort: key.sourcePort, destination: destination.description, destinationPort: key.destinationPort,
            translatedAddress: entry.address.description, translatedPort: entry.port,
            isHost: entry.flags.contains(.host), isAnswered: entry.flags.contains(.replied),
            isClosing: entry.flags.contains(.closing), ageSeconds: seconds(since: entry.created),
            idleSeconds: seconds(since: entry.used))
    }

    fileprivate var order: [String] {
        [direction == "egress" ? "0" : "1", "\(self.protocol)", source, "\(sourcePort)", destination]
    }
}
