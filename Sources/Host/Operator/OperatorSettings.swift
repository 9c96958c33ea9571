import NetAddress

/// What an operator is to do, as its configuration says.
public struct OperatorSettings: Codable, Sendable, Hashable {
    /// The ranges that nodes get shares of with `ipam.mode: cluster-pool`, in the order in which they are used up.
    /// Empty in other modes: the operator then gives no ranges.
    public var pool: [String]
    /// The prefix length of a share.
    public var maskSize: Int
    /// The shares that the lab's plan has for nodes, by name. A node gets its own unless it is taken.
    public var planned: [String: String]
    /// How long is between two rounds of collecting what nobody uses any more.
    public var roundSeconds: Int

    public init(pool: [String], maskSize: Int, planned: [String: String] = [:], roundSeconds: Int = 15) {
        self.pool = pool
        self.maskSize = maskSize
        self.planned = planned
        self.roundSeconds = roundSeconds
    }
}
