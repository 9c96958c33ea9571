public struct TapPacket: Codable, Sendable, Hashable {
    public var node: String
    /// Sent by the node; otherwise delivered to it.
    public var fromNode: Bool
    public var outer: FlowTuple
    /// VXLAN network identifier and the encapsulated packet.
    public var vni: UInt32?
    public var inner: FlowTuple?
    /// The interface's name in the node; nil when it has one only.
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
