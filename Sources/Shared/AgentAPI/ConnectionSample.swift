/// A connection as the datapath tracks it, given by the packet that opened it, with its state.
public struct ConnectionSample: Codable, Sendable, Hashable, Comparable {
    /// The IP protocol number.
    public let `protocol`: UInt8
    /// Which entry this is: `egress` was made for the calling endpoint, `ingress` for the called one, and `service` and
    /// `node` hold a connection before its translation.
    public let direction: String
    public let source: String
    /// The source port. For an ICMP echo it is the identifier, and the destination port is 0.
    public let sourcePort: UInt16
    public let destination: String
    public let destinationPort: UInt16
    /// `opening`, `established`, `closing`, `closed`
    public let state: String
    /// `replied`, `fin-forward`, `fin-reply`, `proxy`, `loopback`
    public let flags: [String]
    /// The seconds until the entry is void if no further packet comes.
    public let secondsLeft: Int
    public let sourceIdentity: UInt32
    /// The entry of the reverse table by which replies are translated back, or 0 if they are not translated.
    public let reverseIndex: UInt16
    /// For entries of a service, the backend that was chosen.
    public let backend: UInt32
    /// The port of the proxy that the connection goes through, or 0.
    public let proxyPort: UInt16

    public init(
        protocol: UInt8, direction: String, source: String, sourcePort: UInt16, destination: String,
        destinationPort: UInt16, state: String, flags: [String], secondsLeft: Int, sourceIdentity: UInt32,
        reverseIndex: UInt16, backend: UInt32, proxyPort: UInt16
    ) {
        self.protocol = `protocol`
        self.direction = direction
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.state = state
        self.flags = flags
        self.secondsLeft = secondsLeft
        self.sourceIdentity = sourceIdentity
        self.reverseIndex = reverseIndex
        self.backend = backend
        self.proxyPort = proxyPort
    }

    public static func < (left: ConnectionSample, right: ConnectionSample) -> Bool {
        (left.protocol, left.direction, left.source, left.sourcePort, left.destination, left.destinationPort)
            < (
                right.protocol, right.direction, right.source, right.sourcePort, right.destination,
                right.destinationPort
            )
    }
}

/// How full a map is.
public struct MapGauge: Codable, Sendable, Hashable {
    /// The name under which the map is pinned, such as `dp_ct_tcp`.
    public let name: String
    public let entries: Int
    public let capacity: Int

    public init(name: String, entries: Int, capacity: Int) {
        self.name = name
        self.entries = entries
        self.capacity = capacity
    }
}
