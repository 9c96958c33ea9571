/// A pod as its own node's agent knows it.
public struct IdentityReading: Sendable, Hashable {
    public let node: String
    /// The pod, as `default/web-1`.
    public let pod: String
    public let identity: UInt32
    public let endpointID: UInt16
    public init(node: String, pod: String, identity: UInt32, endpointID: UInt16) {
        self.node = node
        self.pod = pod
        self.identity = identity
        self.endpointID = endpointID
    }
}
