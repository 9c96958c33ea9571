/// A name and one of its addresses, as the node's DNS proxy saw it.
public struct NameSample: Codable, Sendable, Hashable {
    /// Lower case, without the last dot.
    public let name: String
    /// Dotted.
    public let address: String
    /// Seconds, as answered last.
    public let timeToLive: UInt32
    /// Until it is forgotten, unless a connection uses it; 0: its time is over.
    public let secondsLeft: Int
    /// The endpoint that asked last; 0: one that is gone.
    public let endpointID: UInt16
    /// Of the address, when a policy names the name or the address.
    public let identity: UInt32?

    public init(
        name: String, address: String, timeToLive: UInt32, secondsLeft: Int, endpointID: UInt16, identity: UInt32?
    ) {
        self.name = name
        self.address = address
        self.timeToLive = timeToLive
        self.secondsLeft = secondsLeft
        self.endpointID = endpointID
        self.identity = identity
    }
}
