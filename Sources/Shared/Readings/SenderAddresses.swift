/// The addresses that an endpoint's packets may have at their receivers.
public struct SenderAddresses: Codable, Sendable, Hashable {
    /// The dotted addresses of the node's interfaces.
    public var node: [String]
    /// The addresses into which an internet gateway translates them.
    public var `public`: [String]

    public init(node: [String], public: [String]) {
        self.node = node
        self.public = `public`
    }
}
