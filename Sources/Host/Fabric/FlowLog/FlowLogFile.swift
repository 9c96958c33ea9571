import Glibc
import LinuxKernel

/// The flow log on disk, in AWS's default format, with a record for each flow and minute.
struct FlowLogFile: ~Copyable {
    private let file: FileDescriptor
    private let accountID: String
    private var window: Int64?
    private var aggregate = FlowLogFile.empty
    /// The aggregation interval in seconds: the shorter one of AWS's two.
    static let interval: Int64 = 60
    /// As many flows of a minute are kept apart as the capacity says. Those beyond it make a SKIPDATA record.
    private static let empty = FlowAggregate(capacity: 65_536)

    init(directory: String, accountID: String) throws(SystemError) {
        try self.init(path: "\(directory)/vpc-flow.log", accountID: accountID)
    }

    init(path: String, accountID: String) throws(SystemError) {
        let opened = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o644)
        try opened.writeAll(Array((FlowRecord.header + "\n").utf8))
        file = opened
        self.accountID = accountID
    }

    mutating func add(
        _ header: FlowHeader, interfaceID: String, direction: PacketSighting.Direction,
        action: FlowRecord.Action, at time: Int64
    ) {
        aggregate.add(header, interfaceID: interfaceID, direction: direction, action: action, at: time)
    }

    /// Writes the minute that has ended, if one has. Interfaces without traffic get a NODATA record.
    mutating func roll(now: Int64, nodes: [String: String]) throws(SystemError) {
        let current = now / 1_000_000_000 / Self.interval
        // A minute that could not be written is not written again. Its records are lost, which is something else than
        // NODATA.
        defer { window = current }
        if let window, window < current { try flush(window: window, nodes: nodes) }
    }

    /// Writes what has been added up so far.
    mutating func finish(nodes: [String: String]) throws(SystemError) {
        if let window { try flush(window: window, nodes: nodes) }
    }

    private mutating func flush(window: Int64, nodes: [String: String]) throws(SystemError) {
        let records = aggregate.records(accountID: accountID, nodes: nodes)
        let skipped = aggregate.skipped
        aggregate = Self.empty
        var lines = records.map(\.line)
        let (start, end) = (window * Self.interval, (window + 1) * Self.interval - 1)
        let seen = Set(records.map(\.interfaceID))
        for interface in nodes.keys.sorted() where skipped > 0 || !seen.contains(interface) {
            let status = skipped > 0 ? "SKIPDATA" : "NODATA"
            lines.append("2 \(accountID) \(interface) - - - - - - - \(start) \(end) - \(status)")
        }
        try file.writeAll(Array((lines.joined(separator: "\n") + "\n").utf8))
    }
}
