/// A connection as the datapath tracks it: the packet that opened it, and how far it is.
public struct ConnectionSample: Codable, Sendable, Hashable, Comparable {
    /// The IP protocol number.
    public let `protocol`: UInt8
    /// `egress`, `ingress`: tracked by the endpoint that called, or was called; `service`, `node`: before a
    /// translation.
    public let direction: String
    public let source: String
    /// Of an ICMP echo request its identifier, with 0 as destination port.
    public let sourcePort: UInt16
    public let destination: String
    public let destinationPort: UInt16
    /// `opening`, `established`, `closing`, `closed`
    public let state: String
    /// `replied`, `fin-forward`, `fin-reply`, `proxy`, `loopback`
    public let flags: [String]
    /// Until it is void if no packet comes.
    public let secondsLeft: Int
    public let sourceIdentity: UInt32
    /// Replies are translated back by this entry of the reverse table; 0: they are not.
    public let reverseIndex: UInt16
    /// Of service entries, the backend that was chosen.
    public let backend: UInt32
    /// 0: it does not go through a proxy.
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
    /// As pinned, `dp_ct_tcp`.
    public let name: String
    public let entries: Int
    public let capacity: Int

    public init(name: String, entries: Int, capacity: Int) {
        self.name = name
        self.entries = entries
        self.capacity = capacity
    }
}
