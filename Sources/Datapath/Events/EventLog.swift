import AgentAPI
import BPF
import DatapathModel
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// Trace and drop notifications: read from the kernel's ring buffer by a thread of their own, kept in a bounded ring.
final class EventLog: Sendable {
    /// About 6 MB when full.
    static let capacity = 32768
    private let ring = EventRing<EventRecord>(capacity: EventLog.capacity)

    /// Starts to read. The thread ends only with the process.
    func follow(pinnedBuffer: String) {
        startThread("events") { [self] in
            // Reading can wait until packets do not: under load this wakes once for many of them.
            yieldToOthers()
            do {
                var buffer = try RingBuffer(pinnedAt: pinnedBuffer)
                while true {
                    if try buffer.consume(take) > 0 { ring.announce() }
                    _ = try waitUntilReady(buffer.pollDescriptor, events: Int16(POLLIN), until: .after(.seconds(60)))
                }
            } catch {
                Log.error("events are no longer read", ["error": "\(error)"])
            }
        }
    }

    private func take(_ record: UnsafeRawBufferPointer) {
        if let event = EventRecord(record: record) { ring.append(event) } else { ring.countLost(1) }
    }

    func batch(_ request: EventRequest) throws(AgentError) -> EventBatch {
        guard (0...EventLog.capacity).contains(request.limit) else {
            throw AgentError(code: "invalid-parameters", message: "limit must be 0 to \(EventLog.capacity)")
        }
        let filter = request.addresses.map { Set($0.compactMap { IPv4Address($0) }) }
        func accepts(_ event: EventRecord) -> Bool {
            guard let filter else { return true }
            return [event.source, event.destination].contains { $0.map(filter.contains) ?? false }
        }
        if let wait = request.waitMillis, wait > 0 {
            ring.wait(after: request.since, until: .after(.milliseconds(min(wait, 60_000))))
        }
        let batch = ring.events(since: request.since, limit: request.limit, where: accepts)
        var names = InterfaceNames()
        return EventBatch(
            events: batch.events.map { Self.rendered($0.event, sequence: $0.sequence, &names) }, next: batch.next,
            lost: batch.lost)
    }

    static func rendered(
        _ event: EventRecord, sequence: UInt64, _ names: inout InterfaceNames
    ) -> AgentAPI.DatapathEvent {
        var ports: (UInt16, UInt16) = (0, 0)
        var echo: (UInt16, UInt16) = (0, 0)
        switch event.transport {
        case .ports(let source, let destination)?: ports = (source, destination)
        case .icmp(_, _, let identifier, let number)?: echo = (identifier, number)
        case nil: break
        }
        let isDrop = event.kind == .drop
        return AgentAPI.DatapathEvent(
            sequence: sequence, nanoseconds: event.monotonicNanoseconds, point: event.point?.description ?? "unknown",
            dropReason: isDrop ? event.reason.name : nil, dropCode: isDrop ? Int(event.reason.rawValue) : nil,
            location: event.location?.description, protocol: event.ipProtocol,
            source: event.source?.description ?? "", sourcePort: ports.0,
            destination: event.destination?.description ?? "", destinationPort: ports.1, icmpID: echo.0,
            icmpSequence: echo.1, sourceIdentity: event.sourceIdentity.rawValue,
            destinationIdentity: event.destinationIdentity.rawValue, endpointID: event.endpointID,
            interface: names.name(of: event.interface), tunnelPeer: event.tunnel?.remote?.description,
            length: Int(event.length))
    }
}

/// Names of interfaces by index, asked for once in a batch.
struct InterfaceNames {
    private var names: [UInt32: String] = [:]

    /// The index itself for an interface that is gone.
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
