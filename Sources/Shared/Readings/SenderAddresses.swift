/// Where an endpoint's packets may come from, as receivers see them.
public struct SenderAddresses: Codable, Sendable, Hashable {
    /// Of the node's interfaces, dotted.
    public var node: [String]
    /// What an internet gateway makes of them.
    public var `public`: [String]

    public init(node: [String], public: [String]) {
        self.node = node
        self.public = `public`
    }
}
