/// The addresses, ports and ICMP identifier of a packet.
public struct FlowTuple: Codable, Sendable, Hashable, CustomStringConvertible {
    /// IP protocol number: 1 ICMP, 6 TCP, 17 UDP.
    public var `protocol`: UInt8
    public var source: String
    public var sourcePort: UInt16
    public var destination: String
    public var destinationPort: UInt16
    /// The identifier of an ICMP echo; otherwise 0.
    public var icmpID: UInt16
    public init(
        protocol: UInt8, source: String, sourcePort: UInt16, destination: String, destinationPort: UInt16,
        icmpID: UInt16 = 0
    ) {
        self.protocol = `protocol`
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.icmpID = icmpID
    }

    public var reversed: FlowTuple {
        FlowTuple(
            protocol: `protocol`, source: destination, sourcePort: destinationPort, destination: source,
            destinationPort: sourcePort, icmpID: icmpID)
    }

    public var description: String {
        switch `protocol` {
        case 1: "ICMP \(source) → \(destination) id \(icmpID)"
        case 6: "TCP \(source):\(sourcePort) → \(destination):\(destinationPort)"
        case 17: "UDP \(source):\(sourcePort) → \(destination):\(destinationPort)"
        default: "protocol \(`protocol`) \(source) → \(destination)"
        }
    }
}
