/// A record of the VPC flow log, with the node whose interface it is about.
public struct FlowLogReading: Codable, Sendable, Hashable {
    public var node: String
    public var interfaceID: String
    public var accepted: Bool
    public var flow: FlowTuple
    public var packets: Int
    public init(node: String, interfaceID: String, accepted: Bool, flow: FlowTuple, packets: Int) {
        self.node = node
        self.interfaceID = interfaceID
        self.accepted = accepted
        self.flow = flow
        self.packets = packets
    }
}
