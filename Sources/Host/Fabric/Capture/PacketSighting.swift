public import LinuxKernel
public import NetAddress

/// The header of a packet that was seen on a tap.
public struct PacketSighting: Sendable, Hashable {
    public enum Direction: String, Codable, Sendable { case fromNode, toNode }

    public var interfaceID: String
    public var node: String
    public var tap: String
    public var direction: Direction
    /// When the kernel captured it, on the clock of `MonotonicTime.now`, so that it compares with moments that a caller
    /// took. (The pcapng files carry the wall clock.)
    public var time: MonotonicTime
    /// Nil for what is not IPv4, such as ARP.
    public var outer: FlowHeader?
    /// EtherType, 0x0800 for IPv4.
    public var etherType: UInt16
    /// VXLAN network identifier; nil when not encapsulated.
    public var vni: UInt32?
    /// The encapsulated packet; nil when there is none or it is not IPv4.
    public var inner: FlowHeader?
    /// Bytes on the wire, Ethernet header included.
    public var length: Int

    public init(
        interfaceID: String, node: String, tap: String, direction: Direction, time: MonotonicTime,
        outer: FlowHeader?, etherType: UInt16 = 0x0800, vni: UInt32? = nil, inner: FlowHeader? = nil, length: Int
    ) {
        self.interfaceID = interfaceID
        self.node = node
        self.tap = tap
        self.direction = direction
        self.time = time
        self.outer = outer
        self.etherType = etherType
        self.vni = vni
        self.inner = inner
        self.length = length
    }
}

/// The addresses of an IPv4 packet and what tells its flow apart.
public struct FlowHeader: Codable, Sendable, Hashable {
    public var source: IPv4Address
    public var destination: IPv4Address
    /// IP protocol number: 1 ICMP, 6 TCP, 17 UDP.
    public var `protocol`: UInt8
    /// 0 where the protocol has none, and for fragments but the first.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// Of ICMP: type, code, and of echoes identifier and sequence number.
    public var icmp: ICMPHeader?
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16; 0 for other protocols.
    public var tcpFlags: UInt8
    /// Total length of the IP packet, bytes.
    public var length: Int
    /// A fragment that is not the first.
    public var isLaterFragment: Bool

    public init(
        source: IPv4Address, destination: IPv4Address, protocol: UInt8, sourcePort: UInt16 = 0,
        destinationPort: UInt16 = 0, icmp: ICMPHeader? = nil, tcpFlags: UInt8 = 0, length: Int,
        isLaterFragment: Bool = false
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.icmp = icmp
        self.tcpFlags = tcpFlags
        self.length = length
        self.isLaterFragment = isLaterFragment
    }
}

public struct ICMPHeader: Codable, Sendable, Hashable {
    public var type: UInt8
    public var code: UInt8
    /// Of echo request (8) and reply (0), else 0.
    public var identifier: UInt16
    public var sequence: UInt16

    public init(type: UInt8, code: UInt8, identifier: UInt16 = 0, sequence: UInt16 = 0) {
        self.type = type
        self.code = code
        self.identifier = identifier
        self.sequence = sequence
    }
}

/// Which packets are asked for: all conditions that are given must hold.
public struct FlowFilter: Sendable, Hashable {
    /// Of this node, or at this place of the cloud (`vpc-router`, `internet-gateway`, a host's name).
    public var node: String?
    /// Without a `node`: at the places of the cloud, in place of the nodes' interfaces.
    public var isCloud = false
    public var direction: PacketSighting.Direction?
    /// Of the outer packet.
    public var outerDestinationPort: UInt16?
    public var `protocol`: UInt8?
    public var vni: UInt32?
    /// Only encapsulated packets, or only others.
    public var isEncapsulated: Bool?
    /// Of the innermost packet.
    public var source: IPv4Address?
    public var destination: IPv4Address?

    public init(
        node: String? = nil, direction: PacketSighting.Direction? = nil, outerDestinationPort: UInt16? = nil,
        protocol: UInt8? = nil, vni: UInt32? = nil, isEncapsulated: Bool? = nil, source: IPv4Address? = nil,
        destination: IPv4Address? = nil
    ) {
        self.node = node
        self.direction = direction
        self.outerDestinationPort = outerDestinationPort
        self.protocol = `protocol`
        self.vni = vni
        self.isEncapsulated = isEncapsulated
        self.source = source
        self.destination = destination
    }

    public func matches(_ sighting: PacketSighting) -> Bool {
        let innermost = sighting.inner ?? sighting.outer
        return holds(node, sighting.node) && holds(direction, sighting.direction)
            && holds(outerDestinationPort, sighting.outer?.destinationPort) && holds(vni, sighting.vni)
            && holds(isEncapsulated, sighting.vni != nil) && holds(self.protocol, innermost?.protocol)
            && holds(source, innermost?.source) && holds(destination, innermost?.destination)
    }

    private func holds<Value: Equatable>(_ wanted: Value?, _ actual: Value?) -> Bool {
        wanted == nil || wanted == actual
    }
}

/// An answer from the bounded memory of the captures.
public struct SightingPage: Sendable {
    /// Oldest first.
    public var sightings: [PacketSighting]
    /// False when packets since the asked moment may be missing: overwritten, or lost by the kernel's buffer. A
    /// packet's absence proves something only when this is true.
    public var isComplete: Bool

    public init(sightings: [PacketSighting], isComplete: Bool) {
        self.sightings = sightings
        self.isComplete = isComplete
    }
}
