import CDatapathABI
import NetAddress

/// A record of the event buffer as the kernel wrote it: what is kept of every packet, and read only when asked for.
public struct RawEventRecord: BitwiseCopyable, Sendable {
    private let event: dp_event

    /// nil when the length is not this ABI's.
    public init?(record: UnsafeRawBufferPointer) {
        guard record.count == MemoryLayout<dp_event>.size else { return nil }
        event = record.loadUnaligned(as: dp_event.self)
    }

    /// nil for a kind of event that this build does not know.
    public var decoded: EventRecord? {
        withUnsafeBytes(of: event) { EventRecord(record: $0) }
    }

    public var isDrop: Bool { event.type == UInt8(DP_EVENT_DROP.rawValue) }

    /// Whether the packet's source or destination is one of these.
    public func involves(_ addresses: Set<IPv4Address>) -> Bool {
        [event.source, event.destination].contains { address in
            IPv4Address(abi: address, family: event.family).map(addresses.contains) ?? false
        }
    }
}
