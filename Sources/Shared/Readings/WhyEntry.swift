/// A place on the path of a cell's packets, and what was seen there.
public struct WhyEntry: Codable, Sendable, Hashable {
    /// `probe`, `sender-datapath`, `sender-tap`, `fabric`, `receiver-tap`, `receiver-datapath`, `receiver`, `lab`.
    public let hop: String
    public let node: String?
    /// One sentence.
    public let detail: String
    /// Says whether the packet was seen there; nil if the entry does not say.
    public let seen: Bool?

    public init(hop: String, node: String?, detail: String, seen: Bool?) {
        self.hop = hop
        self.node = node
        self.detail = detail
        self.seen = seen
    }
}
