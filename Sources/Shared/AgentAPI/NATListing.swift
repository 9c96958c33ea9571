/// An entry of the masquerade's map: a packet of a flow, and what becomes of it.
public struct NATMapping: Codable, Sendable, Hashable {
    /// `egress`: the packet as the pod sends it, the translation is its new source; `ingress`: the answer as it
    /// arrives, the translation is its new destination.
    public let direction: String
    /// 1 ICMP, 6 TCP, 17 UDP.
    public let `protocol`: UInt8
    public let source: String
    /// Port; of an ICMP echo that leaves, its identifier.
    public let sourcePort: UInt16
    public let destination: String
    /// Port; of an answer to an ICMP echo, its identifier.
    public let destinationPort: UInt16
    public let translatedAddress: String
    public let translatedPort: UInt16
    /// A flow of the node itself, kept so that no pod takes its port.
    public let isHost: Bool
    public let isAnswered: Bool
    /// TCP: FIN or RST was seen.
    public let isClosing: Bool
    public let ageSeconds: Int
    /// Since its last packet, a second coarse.
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

/// All of them, and how many the map can hold: two a flow.
public struct NATListing: Codable, Sendable {
    public let mappings: [NATMapping]
    public let maximum: Int

    public init(mappings: [NATMapping], maximum: Int) {
        self.mappings = mappings
        self.maximum = maximum
    }
}
