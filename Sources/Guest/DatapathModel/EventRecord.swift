import CDatapathABI
import NetAddress

/// One record of the `dp_events` ring buffer.
public struct EventRecord: Sendable, Hashable {
    public enum Kind: UInt8, Sendable, Hashable {
        case drop = 1
        case trace = 2
    }

    /// How the packet travels, or travelled, through the overlay.
    public struct Tunnel: Sendable, Hashable {
        /// The node that the packet goes to, or came from; nil when it is not known.
        public let remote: IPv4Address?
        /// The network identifier (VNI), which is the identity of the packet's source.
        public let identifier: UInt32
    }

    /// The transport's part of the flow.
    public enum Transport: Sendable, Hashable {
        case ports(source: UInt16, destination: UInt16)
        case icmp(type: UInt8, code: UInt8, identifier: UInt16, sequence: UInt16)
    }

    /// Where in the programs' source a drop was decided.
    public struct Location: Sendable, Hashable, CustomStringConvertible {
        public let file: UInt16
        public let line: UInt16

        public var description: String {
            let name = dp_file_name(Int32(file)).map { String(cString: $0) } ?? "file \(file)"
            return "\(name):\(line)"
        }
    }

    public let kind: Kind
    /// `CLOCK_MONOTONIC` in nanoseconds.
    public let monotonicNanoseconds: UInt64
    /// Where the packet was seen. For a drop it is the point at which the program was entered. It is nil for a number
    /// that this build does not know.
    public let point: TracePoint?
    public let direction: TrafficDirection?
    public let reason: Reason
    /// The interface whose program reports.
    public let interface: UInt32
    /// The id of the endpoint; 0 when no endpoint of this node takes part.
    public let endpointID: UInt16
    /// Length of the packet with its Ethernet header.
    public let length: UInt32
    public let etherType: UInt16
    public let sourceIdentity: Identity
    public let destinationIdentity: Identity
    /// Addresses of the (inner) packet; nil when it was not parsed as IPv4. For ARP: sender and target.
    public let source: IPv4Address?
    public let destination: IPv4Address?
    /// The IP protocol number.
    public let ipProtocol: UInt8
    public let ttl: UInt8
    public let transport: Transport?
    /// The flags of the TCP segment (RFC 9293, section 3.1); 0 for other protocols.
    public let tcpFlags: UInt8
    public let isFragment: Bool
    public let tunnel: Tunnel?
    /// What conntrack said of the packet; nil before it was asked, or where it is not.
    public let connection: ConnectionVerdict?
    /// Where the drop was decided; nil for traces, and for what the agent itself reports.
    public let location: Location?
    /// The agent's number of the policy rule that decided, or 0 if none did.
    public let rule: UInt32

    /// Reads a record; nil when it is not one of this ABI (wrong length, unknown kind).
    public init?(record: UnsafeRawBufferPointer) {
        guard record.count == MemoryLayout<dp_event>.size else { return nil }
        let event = record.loadUnaligned(as: dp_event.self)
        guard let kind = Kind(rawValue: event.type) else { return nil }
        let flags = Int32(event.flags)
        self.kind = kind
        monotonicNanoseconds = event.ktime_ns
        point = TracePoint(rawValue: event.point)
        direction = TrafficDirection(rawValue: event.direction)
        reason = Reason(rawValue: event.reason)
        interface = event.ifindex
        endpointID = event.endpoint_id
        length = event.length
        etherType = event.ethertype
        sourceIdentity = Identity(rawValue: event.source_identity)
        destinationIdentity = Identity(rawValue: event.destination_identity)
        source = IPv4Address(abi: event.source, family: event.family)
        destination = IPv4Address(abi: event.destination, family: event.family)
        ipProtocol = event.protocol
        ttl = event.ttl
        transport = flags & DP_EVENT_L4 == 0 ? nil : Transport(event)
        tcpFlags = event.tcp_flags
        isFragment = flags & DP_EVENT_FRAGMENT != 0
        tunnel = flags & DP_EVENT_ENCAPSULATED == 0 ? nil : Tunnel(event)
        connection = ConnectionVerdict(rawValue: event.connection)
        location = kind == .drop && event.file != 0 ? Location(file: event.file, line: event.line) : nil
        rule = event.rule
    }

    /// Reads a record from an array of bytes.
    public init?(bytes: [UInt8]) {
        guard let event = bytes.withUnsafeBytes({ EventRecord(record: $0) }) else { return nil }
        self = event
    }
}

extension EventRecord.Transport {
    /// ICMP's protocol number, RFC 792.
    private static let icmpProtocol: UInt8 = 1

    fileprivate init(_ event: dp_event) {
        if event.protocol == Self.icmpProtocol {
            self = .icmp(
                type: event.icmp_type, code: event.icmp_code, identifier: event.source_port,
                sequence: event.destination_port)
        } else {
            self = .ports(source: event.source_port, destination: event.destination_port)
        }
    }
}

extension EventRecord.Tunnel {
    fileprivate init(_ event: dp_event) {
        remote = IPv4Address(abi: event.tunnel_remote, family: event.tunnel_family)
        identifier = event.tunnel_id
    }
}
