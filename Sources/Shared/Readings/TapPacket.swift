public struct TapPacket: Codable, Sendable, Hashable {
    public var node: String
    /// True if the node sent the packet, false if it was delivered to the node.
    public var fromNode: Bool
    public var outer: FlowTuple
    /// The VXLAN network identifier, and the encapsulated packet.
    public var vni: UInt32?
    public var inner: FlowTuple?
    /// The interface's name in the node; nil if the node has only one.
    public var interface: String?
    public init(
        node: String, fromNode: Bool, outer: FlowTuple, vni: UInt32?, inner: FlowTuple?, interface: String? = nil
    ) {
        self.node = node
        self.fromNode = fromNode
        self.outer = outer
        self.vni = vni
        self.inner = inner
        self.interface = interface
    }
}
