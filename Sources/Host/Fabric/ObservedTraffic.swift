import LinuxKernel
import NetAddress

/// What captures and flow log remember. The memory is bounded, and says when it has forgotten something.
struct ObservedTraffic {
    private struct Interface {
        var nic: NICSpec
        var isAttached = true
        /// Whether this is a place of the cloud. It is captured, but has no records in the flow log.
        var isCloud = false
        var ring: SightingRing
        var rejects: SightingRing
        var statistics: CaptureStatistics?
        /// When it was last found that packets had been missed.
        var lostAt: Int64?
    }

    private let spec: FabricSpec
    private var interfaces: [String: Interface] = [:]
    private(set) var knownMACs: Set<UInt64>
    private(set) var loggedRejects: UInt64 = 0
    /// The number of denied packets without a record at the last comparison.
    private var lostRejects: UInt64 = 0
    /// When it was last found that records of denied packets are missing.
    private var logLostAt: Int64?
    static let discardsKept = 4096
    private var discarded: [RouterDiscard] = []
    private var loggedDiscards: UInt64 = 0
    private var discardsForgottenUntil: Int64?
    /// What failed apart from captures of interfaces, in order. Each failure is listed once.
    private(set) var failures: [String] = []

    init(_ spec: FabricSpec) {
        self.spec = spec
        knownMACs = Set(spec.subnets.map(\.gatewayMAC.rawValue))
    }

    var attachedNodes: [String: String] {
        interfaces.filter { $0.value.isAttached && !$0.value.isCloud }.mapValues(\.nic.node)
    }

    func nic(_ interfaceID: String) -> NICSpec? { interfaces[interfaceID]?.nic }

    func isCloud(_ interfaceID: String) -> Bool { interfaces[interfaceID]?.isCloud ?? false }

    mutating func attach(_ nic: NICSpec, isCloud: Bool = false) {
        let capacity = spec.capture?.indexCapacity ?? 4096
        interfaces[nic.interfaceID] = Interface(
            nic: nic, isCloud: isCloud, ring: SightingRing(capacity: capacity),
            rejects: SightingRing(capacity: capacity))
        knownMACs.insert(nic.mac.rawValue)
    }

    mutating func update(_ nic: NICSpec) { interfaces[nic.interfaceID]?.nic = nic }

    mutating func detach(_ nic: NICSpec) { interfaces[nic.interfaceID]?.isAttached = false }

    mutating func append(_ seen: [Seen], interfaceID: String) {
        for entry in seen { interfaces[interfaceID]?.ring.append(entry) }
    }

    mutating func reject(_ seen: Seen, interfaceID: String) {
        loggedRejects += 1
        interfaces[interfaceID]?.rejects.append(seen)
    }

    mutating func update(_ statistics: CaptureStatistics, lostAt: Int64?) {
        interfaces[statistics.interfaceID]?.statistics = statistics
        if let lostAt { interfaces[statistics.interfaceID]?.lostAt = lostAt }
    }

    /// Notes that the netfilter log may have lost records until now.
    mutating func lostLog(at now: Int64) { logLostAt = max(logLostAt ?? .min, now) }

    /// Compares the number of packets that the rules denied, as counted before the log was last read, with the log's
    /// records.
    mutating func compareRejects(denied: UInt64, at now: Int64) -> UInt64 {
        let lost = denied > loggedRejects ? denied - loggedRejects : 0
        if lost > lostRejects { lostLog(at: now) }
        lostRejects = lost
        return lost
    }

    mutating func fail(_ message: String) {
        if !failures.contains(message) { failures.append(message) }
    }

    var captureStatistics: [CaptureStatistics] {
        interfaces.values.compactMap(\.statistics).sorted { $0.interfaceID < $1.interfaceID }
    }

    func sightings(since: MonotonicTime?, matching filter: FlowFilter) -> SightingPage {
        let start = since?.nanoseconds ?? .min
        var page = SightingPage(sightings: [], isComplete: spec.capture != nil)
        for interface in interfaces.values
        where filter.node == interface.nic.node || filter.node == nil && filter.isCloud == interface.isCloud {
            if !isComplete(interface, since: start) { page.isComplete = false }
            interface.ring.forEach(since: start) { seen in
                let sighting = PacketSighting(seen, interface.nic)
                if filter.matches(sighting) { page.sightings.append(sighting) }
            }
        }
        page.sightings.sort { $0.time < $1.time }
        return page
    }

    // MARK: Discards of the router

    mutating func discard(_ discard: RouterDiscard) {
        loggedDiscards += 1
        discarded.append(discard)
        if discarded.count > Self.discardsKept {
            discardsForgottenUntil = discarded.removeFirst().time
        }
    }

    /// Packets that the router discarded since a moment.
    ///
    /// - Parameter counted: The number of discarded packets, as counted before the router's log was last read; nil when
    ///   it is unknown.
    func discards(since: MonotonicTime?, counted: UInt64?) -> DiscardPage {
        let start = since?.nanoseconds ?? .min
        let isKept = discardsForgottenUntil.map { $0 < start } ?? true
        return DiscardPage(
            discards: discarded.filter { $0.time >= start },
            isComplete: isKept && counted.map { $0 <= loggedDiscards } ?? false)
    }

    func flowRecords(since: MonotonicTime?) -> FlowRecordPage {
        let start = since?.nanoseconds ?? .min
        var aggregate = FlowAggregate()
        var isComplete = spec.capture != nil && (logLostAt.map { $0 < start } ?? true)
        for (id, interface) in interfaces where !interface.isCloud {
            if !self.isComplete(interface, since: start) || !interface.rejects.isComplete(since: start) {
                isComplete = false
            }
            interface.ring.forEach(since: start) { seen in
                guard let header = seen.packet.outer, interface.nic.isFlow(seen) else { return }
                aggregate.add(
                    header, interfaceID: id, direction: seen.direction, action: .accept, at: seen.wallTime)
            }
            interface.rejects.forEach(since: start) { seen in
                guard let header = seen.packet.outer else { return }
                aggregate.add(
                    header, interfaceID: id, direction: seen.direction, action: .reject, at: seen.wallTime)
            }
        }
        let nodes = interfaces.mapValues(\.nic.node)
        return FlowRecordPage(
            records: aggregate.records(accountID: spec.accountID, nodes: nodes), isComplete: isComplete)
    }

    private func isComplete(_ interface: Interface, since start: Int64) -> Bool {
        interface.ring.isComplete(since: start) && (interface.lostAt.map { $0 < start } ?? true)
    }
}

extension NICSpec {
    /// Whether a captured packet belongs into the flow log. A packet that the source/destination check drops does not.
    func isFlow(_ seen: Seen) -> Bool {
        guard let header = seen.packet.outer else { return false }
        guard sourceDestinationCheck else { return true }
        return seen.direction == .fromNode
            ? has(header.source) && seen.packet.sourceMAC == mac.rawValue : has(header.destination)
    }

    private func has(_ wanted: IPv4Address) -> Bool { address == wanted || secondaryAddresses.contains(wanted) }
}

extension PacketSighting {
    init(_ seen: Seen, _ nic: NICSpec) {
        self.init(
            interfaceID: nic.interfaceID, node: nic.node, tap: nic.tap, direction: seen.direction,
            time: MonotonicTime(nanoseconds: seen.time), outer: seen.packet.outer, etherType: seen.packet.etherType,
            vni: seen.packet.vni, inner: seen.packet.inner, length: seen.length)
    }
}
