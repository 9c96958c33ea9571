import CDatapathABI
import NetAddress

/// A record of the event buffer as the kernel wrote it. The agent keeps records in this form and decodes them only when
/// somebody asks.
public struct RawEventRecord: BitwiseCopyable, Sendable {
    /// The size of the ring buffer that records come by, in octets.
    public static let bufferBytes = Int(DP_EVENTS_BYTES)
    private let event: dp_event

    /// Takes a record; nil when its length is not that of this ABI.
    public init?(record: UnsafeRawBufferPointer) {
        guard record.count == MemoryLayout<dp_event>.size else { return nil }
        event = record.loadUnaligned(as: dp_event.self)
    }

    /// Makes the record of a request that a proxy refused. It is reported as a drop of the connection that the request
    /// came by.
    ///
    /// - Parameter direction: seen from the endpoint whose policy refused it.
    public init(
        deniedRequestFrom client: IPv4Address, _ clientPort: UInt16, to server: IPv4Address, _ serverPort: UInt16,
        protocol number: UInt8, _ reason: Reason, _ direction: TrafficDirection, source: Identity,
        destination: Identity, endpointID: UInt16, rule: UInt32, monotonicNanoseconds: UInt64
    ) {
        var event = dp_event()
        event.ktime_ns = monotonicNanoseconds
        event.type = UInt8(DP_EVENT_DROP.rawValue)
        event.point = TracePoint.toProxy.rawValue
        event.direction = direction.rawValue
        event.flags = UInt8(DP_EVENT_L4)
        event.reason = reason.rawValue
        event.source_identity = source.rawValue
        event.destination_identity = destination.rawValue
        event.source = client.abi
        event.destination = server.abi
        event.endpoint_id = endpointID
        event.ethertype = 0x0800
        event.source_port = clientPort
        event.destination_port = serverPort
        event.family = AddressFamily.ipv4.rawValue
        event.protocol = number
        event.connection = ConnectionVerdict.established.rawValue
        event.rule = rule
        self.event = event
    }

    /// The record's content; nil for a kind of event that this build does not know.
    public var decoded: EventRecord? {
        withUnsafeBytes(of: event) { EventRecord(record: $0) }
    }

    public var isDrop: Bool { event.type == UInt8(DP_EVENT_DROP.rawValue) }

    /// Whether the packet's source or destination is one of the addresses.
    public func involves(_ addresses: Set<IPv4Address>) -> Bool {
        [event.source, event.destination].contains { address in
            IPv4Address(abi: address, family: event.family).map(addresses.contains) ?? false
        }
    }
}
