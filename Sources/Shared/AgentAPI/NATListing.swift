/// An entry of the masquerade's map: a packet of a flow, and its translation.
public struct NATMapping: Codable, Sendable, Hashable {
    /// `egress` is the packet as the pod sends it, with its new source as translation. `ingress` is the answer as it
    /// arrives, with its new destination as translation.
    public let direction: String
    /// The IP protocol: 1 ICMP, 6 TCP, 17 UDP.
    public let `protocol`: UInt8
    public let source: String
    /// The source port. For an ICMP echo that leaves, it is the identifier.
    public let sourcePort: UInt16
    public let destination: String
    /// The destination port. For the answer to an ICMP echo, it is the identifier.
    public let destinationPort: UInt16
    public let translatedAddress: String
    public let translatedPort: UInt16
    /// Whether this is a flow of the node itself. Such flows are kept so that no pod gets their ports.
    public let isHost: Bool
    public let isAnswered: Bool
    /// Whether FIN or RST was seen on a TCP flow.
    public let isClosing: Bool
    public let ageSeconds: Int
    /// The seconds since the flow's last packet. They may be off by one.
    public let idleSeconds: Int

    public init(
        direction: String, protocol: UInt8, source: String, sourcePort: UInt16, destination: String,
        destinationPort: UInt16, translatedAddress: String, translatedPort: UInt16, isHost: Bool, isAnswered: Bool,
        isClosing: Bool, ageSeconds: Int, idleSeconds: Int
    ) {
        self.direction = direction
        self.protocol = `protocol`
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.translatedAddress = translatedAddress
        self.translatedPort = translatedPort
        self.isHost = isHost
        self.isAnswered = isAnswered
        self.isClosing = isClosing
        self.ageSeconds = ageSeconds
        self.idleSeconds = idleSeconds
    }
}

/// All entries, and how many the map can hold. A flow takes two.
public struct NATListing: Codable, Sendable {
    public let mappings: [NATMapping]
    public let maximum: Int

    public init(mappings: [NATMapping], maximum: Int) {
        self.mappings = mappings
        self.maximum = maximum
    }
}
