import NetAddress

/// Adds packets up to flow records, by interface and flow.
///
/// A tap shows what a node sends before the egress rules judge it. A packet that a node sent therefore counts as
/// accepted unless the netfilter log has a packet of the same flow.
struct FlowAggregate {
    struct Key: Hashable {
        var interfaceID: String
        var direction: PacketSighting.Direction
        var source: IPv4Address
        var destination: IPv4Address
        var `protocol`: UInt8
        var sourcePort: UInt16
        var destinationPort: UInt16
    }

    private struct Sum {
        var packets: UInt64 = 0
        var bytes: UInt64 = 0
        var first = Int64.max
        var last = Int64.min

        mutating func add(_ length: Int, at time: Int64) {
            packets += 1
            bytes += UInt64(clamping: length)
            first = min(first, time)
            last = max(last, time)
        }
    }

    private var passed: [Key: Sum] = [:]
    private var rejected: [Key: Sum] = [:]
    private let capacity: Int
    /// The number of packets of flows for which there was no room.
    private(set) var skipped: UInt64 = 0

    init(capacity: Int = .max) {
        self.capacity = capacity
    }

    var isEmpty: Bool { passed.isEmpty && rejected.isEmpty }

    /// - Parameter time: When the packet was seen, in nanoseconds since 1970.
    mutating func add(
        _ header: FlowHeader, interfaceID: String, direction: PacketSighting.Direction,
        action: FlowRecord.Action, at time: Int64
    ) {
        let key = Key(
            interfaceID: interfaceID, direction: direction, source: header.source, destination: header.destination,
            protocol: header.protocol, sourcePort: header.sourcePort, destinationPort: header.destinationPort)
        let isKnown = action == .accept ? passed[key] != nil : rejected[key] != nil
        guard isKnown || passed.count + rejected.count < capacity else {
            skipped += 1
            return
        }
        switch action {
        case .accept: passed[key, default: Sum()].add(header.length, at: time)
        case .reject: rejected[key, default: Sum()].add(header.length, at: time)
        }
    }

    /// The records, sorted by their start, then by interface and flow.
    func records(accountID: String, nodes: [String: String]) -> [FlowRecord] {
        var records: [FlowRecord] = []
        func append(_ key: Key, _ sum: Sum, _ action: FlowRecord.Action) {
            records.append(
                FlowRecord(
                    accountID: accountID, interfaceID: key.interfaceID, node: nodes[key.interfaceID] ?? "",
                    direction: key.direction, source: key.source, destination: key.destination,
                    sourcePort: key.sourcePort, destinationPort: key.destinationPort, protocol: key.protocol,
                    packets: sum.packets, bytes: sum.bytes, start: sum.first / 1_000_000_000,
                    end: sum.last / 1_000_000_000, action: action))
        }
        for (key, sum) in rejected { append(key, sum, .reject) }
        for (key, var sum) in passed {
            if key.direction == .fromNode, let refused = rejected[key] {
                guard sum.packets > refused.packets else { continue }
                sum.packets -= refused.packets
                sum.bytes -= min(sum.bytes, refused.bytes)
            }
            append(key, sum, .accept)
        }
        // Each line is made once, not twice in each comparison: the thread that sorts also reads the captures, and
        // packets wait for it.
        let lines: [(record: FlowRecord, line: String)] = records.map { ($0, $0.line) }
        let sorted = lines.sorted { one, other in
            if one.record.start != other.record.start { return one.record.start < other.record.start }
            if one.record.interfaceID != other.record.interfaceID {
                return one.record.interfaceID < other.record.interfaceID
            }
            return one.line < other.line
        }
        return sorted.map(\.record)
    }
}
