public import LinuxKernel
public import NetAddress

/// The header of a packet that was seen on a tap.
public struct PacketSighting: Sendable, Hashable {
    public enum Direction: String, Codable, Sendable { case fromNode, toNode }

    public var interfaceID: String
    public var node: String
    public var tap: String
    public var direction: Direction
    /// When the kernel captured the packet, on the clock of `MonotonicTime.now`, so that a caller can compare it with
    /// readings of its own. The pcapng files carry the wall clock instead.
    public var time: MonotonicTime
    /// The IPv4 header; nil for other packets, such as ARP.
    public var outer: FlowHeader?
    /// The EtherType: 0x0800 for IPv4.
    public var etherType: UInt16
    /// The network identifier (VNI) of VXLAN or Geneve; nil when the packet is not encapsulated.
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
    /// The source port; 0 where the protocol has none, and for every fragment but the first.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// The ICMP header: type, code, and for echoes the identifier and the sequence number. Nil for other protocols.
    public var icmp: ICMPHeader?
    /// The TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16; 0 for other protocols.
    public var tcpFlags: UInt8
    /// The total length of the IP packet in bytes.
    public var length: Int
    /// Whether the packet is a fragment and not the first one.
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
    /// The identifier of an echo request (type 8) or reply (type 0); 0 for other types.
    public var identifier: UInt16
    public var sequence: UInt16

    public init(type: UInt8, code: UInt8, identifier: UInt16 = 0, sequence: UInt16 = 0) {
        self.type = type
        self.code = code
        self.identifier = identifier
        self.sequence = sequence
    }
}

/// Says which packets are asked for. All conditions that are given must hold.
public struct FlowFilter: Sendable, Hashable {
    /// The node on whose interfaces the packet was seen, or the place of the cloud: `vpc-router`, `internet-gateway`,
    /// or a host's name.
    public var node: String?
    /// Whether packets at the places of the cloud are meant, and not those on the nodes' interfaces. It matters only
    /// without a `node`.
    public var isCloud = false
    public var direction: PacketSighting.Direction?
    /// The destination port of the outer packet.
    public var outerDestinationPort: UInt16?
    public var `protocol`: UInt8?
    public var vni: UInt32?
    /// True for encapsulated packets only, false for all others only, nil for both.
    public var isEncapsulated: Bool?
    /// The source address of the innermost packet.
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
