import AgentAPI
import BPF
import DatapathModel
import LinuxKernel
import NetAddress
import Readings
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Trace and drop events. A thread of their own reads them from the kernel's ring buffer and keeps the latest ones.
///
/// The datapath announces drops at once, and traces only when many have come (`DP_EVENTS_WAKEUP_BYTES`). A request for
/// events therefore reads the buffer, too.
package final class EventLog: Sendable {
    /// The number of events that are kept. They take 3.6 MB.
    static let capacity = 32768
    /// How often a request that waits for an event reads the kernel's buffer itself.
    static let lookInterval = Duration.milliseconds(50)
    private let ring = EventRing<RawEventRecord>(capacity: EventLog.capacity)
    private let buffer = Mutex<RingBuffer?>(nil)
    private let counts = Mutex<PerCPUMap<MetricsKey, MetricsValue>?>(nil)
    private let rules: RuleNames
    private let names: LearnedNames

    init(rules: RuleNames = RuleNames(), names: LearnedNames = LearnedNames()) {
        self.rules = rules
        self.names = names
    }

    /// Starts to read. The thread ends only with the process.
    ///
    /// - Parameter pins: The directory of the pinned maps.
    func follow(pins: String) {
        startThread("events") { [self] in
            // Packets are more urgent than reading events. Under load, this wakes once for many of them.
            yieldToOthers()
            do {
                let descriptor = try buffer.withLock { (buffer) throws(SystemError) in
                    let opened = try RingBuffer(pinnedAt: "\(pins)/\(MapName.events)")
                    let descriptor = opened.pollDescriptor
                    buffer = consume opened
                    return descriptor
                }
                try counts.withLock { (counts) throws(SystemError) in
                    counts = try PerCPUMap(pinnedAt: "\(pins)/\(MapName.metrics)")
                }
                while true {
                    try drain()
                    _ = try waitUntilReady(descriptor, events: Int16(POLLIN), until: .after(.seconds(60)))
                }
            } catch {
                Log.error("events are no longer read", ["error": "\(error)"])
            }
        }
    }

    /// Reads the events that wait in the kernel's buffer.
    private func drain() throws(SystemError) {
        let count = try buffer.withLock { (buffer) throws(SystemError) in try buffer?.consume(take) ?? 0 }
        if count > 0 { ring.announce() }
    }

    /// Adds an event of the agent itself.
    func report(_ event: RawEventRecord) {
        ring.append(event)
        ring.announce()
    }

    private func take(_ record: UnsafeRawBufferPointer) {
        if let event = RawEventRecord(record: record) { ring.append(event) } else { ring.countLost(1) }
    }

    func batch(_ request: EventRequest) throws(AgentError) -> EventBatch {
        guard (0...EventLog.capacity).contains(request.limit) else {
            throw AgentError(code: "invalid-parameters", message: "limit must be 0 to \(EventLog.capacity)")
        }
        let filter = request.addresses.map { Set($0.compactMap { IPv4Address($0) }) }
        func accepts(_ event: RawEventRecord) -> Bool {
            (request.dropsOnly != true || event.isDrop) && filter.map(event.involves) ?? true
        }
        if let wait = request.waitMillis, wait > 0 {
            waitForEvent(after: request.since, until: .after(.milliseconds(min(wait, 60_000))))
        }
        drainQuietly()
        let batch = ring.events(since: request.since, limit: request.limit, where: accepts)
        var interfaces = InterfaceNames()
        return EventBatch(
            events: batch.events.compactMap { sequence, raw in
                raw.decoded.map { event in
                    Self.rendered(
                        event, sequence: sequence, rules, &interfaces,
                        destinationNames: event.destination.map(self.names.names) ?? [])
                }
            }, next: batch.next, lost: batch.lost + lostInKernel)
    }

    /// The number of events that found the kernel's buffer full since its maps were made.
    private var lostInKernel: UInt64 {
        counts.withLock { counts in
            let series = (try? counts?.entries()) ?? []
            return Self.lost(Dictionary(series.map { ($0.key, $0.values.reduce(MetricsValue(), +)) }) { $0 + $1 })
        }
    }

    package static func lost(_ metrics: [MetricsKey: MetricsValue]) -> UInt64 {
        metrics.reduce(0) { $0 + ($1.key.reason == .eventLost ? $1.value.packets : 0) }
    }

    private func waitForEvent(after sequence: UInt64, until deadline: Deadline) {
        repeat {
            drainQuietly()
            let look = Deadline.after(min(deadline.remaining, Self.lookInterval))
            ring.wait(after: sequence, until: look)
        } while ring.newest <= sequence && !deadline.hasPassed
    }

    /// Reads and ignores errors, which the reading thread reports.
    private func drainQuietly() { try? drain() }

    static func rendered(
        _ event: EventRecord, sequence: UInt64, _ rules: RuleNames, _ names: inout InterfaceNames,
        destinationNames: [String] = []
    ) -> PacketEvent {
        var ports: (UInt16, UInt16) = (0, 0)
        var echo: (UInt16, UInt16) = (0, 0)
        switch event.transport {
        case .ports(let source, let destination)?: ports = (source, destination)
        case .icmp(_, _, let identifier, let number)?: echo = (identifier, number)
        case nil: break
        }
        let drop: PacketDrop? =
            event.kind == .drop
            ? PacketDrop(
                DropReason(rawValue: event.reason.name), code: Int(event.reason.rawValue),
                location: event.location?.description) : nil
        let flow = FlowTuple(
            protocol: event.ipProtocol, source: event.source?.description ?? "", sourcePort: ports.0,
            destination: event.destination?.description ?? "", destinationPort: ports.1, icmpID: echo.0)
        return PacketEvent(
            sequence: sequence, nanoseconds: event.monotonicNanoseconds,
            hook: event.point.map { PacketHook(rawValue: $0.description) } ?? .unknown,
            direction: event.direction.map { $0 == .ingress ? .ingress : .egress }, drop: drop, flow: flow,
            icmpSequence: echo.1, sourceIdentity: event.sourceIdentity.rawValue,
            destinationIdentity: event.destinationIdentity.rawValue, endpointID: event.endpointID,
            interface: names.name(of: event.interface), tunnelPeer: event.tunnel?.remote?.description,
            length: Int(event.length), rule: rules.name(of: event.rule),
            destinationNames: destinationNames.isEmpty ? nil : destinationNames)
    }
}

/// The names of interfaces by index. Each is looked up once for a batch.
struct InterfaceNames {
    private var names: [UInt32: String] = [:]

    /// Returns the interface's name, or its index if it is gone.
    mutating func name(of index: UInt32) -> String {
        if let name = names[index] { return name }
        var buffer = [CChar](repeating: 0, count: Int(IF_NAMESIZE) + 1)
        let name =
            if_indextoname(index, &buffer) == nil
            ? "if\(index)" : String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        names[index] = name
        return name
    }
}
