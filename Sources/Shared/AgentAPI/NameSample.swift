/// A name and one of its addresses, as the node's DNS proxy saw it.
public struct NameSample: Codable, Sendable, Hashable {
    /// The name in lower case, without a final dot.
    public let name: String
    /// The dotted address.
    public let address: String
    /// The time to live of the last answer, in seconds.
    public let timeToLive: UInt32
    /// The seconds until the address is forgotten unless a connection uses it. 0 means that its time is over.
    public let secondsLeft: Int
    /// The endpoint that asked last. 0 means that this endpoint is gone.
    public let endpointID: UInt16
    /// The identity of the address, if a policy names the name or the address.
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
