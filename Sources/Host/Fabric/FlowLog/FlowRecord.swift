public import NetAddress

/// A record of the VPC flow log, version 2 in the default format of AWS.
///
/// See "Flow log records", Amazon VPC User Guide.
public struct FlowRecord: Codable, Sendable, Hashable {
    public enum Action: String, Codable, Sendable { case accept = "ACCEPT", reject = "REJECT" }

    public var accountID: String
    public var interfaceID: String
    /// The interface's node; not part of the printed record.
    public var node: String
    /// Whether the packets left the node or came to it; not part of the printed record.
    public var direction: PacketSighting.Direction
    public var source: IPv4Address
    public var destination: IPv4Address
    /// The source port; 0 for protocols without ports.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// IP protocol number.
    public var `protocol`: UInt8
    public var packets: UInt64
    /// The bytes of the IP packets.
    public var bytes: UInt64
    /// Seconds since 1970 of the first packet.
    public var start: Int64
    /// Seconds since 1970 of the last packet.
    public var end: Int64
    public var action: Action

    /// The record as AWS writes it: fields separated by single blanks.
    public var line: String {
        "2 \(accountID) \(interfaceID) \(source) \(destination) \(sourcePort) \(destinationPort) \(`protocol`) "
            + "\(packets) \(bytes) \(start) \(end) \(action.rawValue) OK"
    }

    /// The field names, as the first line of a log file.
    public static let header =
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        + "log-status"
}

/// Flow records from the bounded memory of the fabric.
public struct FlowRecordPage: Sendable {
    /// The records, sorted by their start, then by interface.
    public var records: [FlowRecord]
    /// False when packets since the asked moment may be missing, as with `SightingPage`.
    public var isComplete: Bool
}
