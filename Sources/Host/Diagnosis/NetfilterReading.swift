/// A rule of a node's iptables as `iptables-save -c` lists it, before and after a round.
public struct NetfilterRuleReading: Codable, Sendable, Hashable {
    /// `nat`
    public var table: String
    public var chain: String
    /// `-A KUBE-SEP-… -j DNAT --to-destination 192.168.1.10:8080`
    public var rule: String
    /// The target: `DROP`, `DNAT` or a chain.
    public var target: String?
    /// The `address:port` of a DNAT rule.
    public var destination: String?
    public var comment: String?
    /// How many packets it matched during the round, or nil if it was not read before the round.
    public var grew: UInt64?
    public init(
        table: String, chain: String, rule: String, target: String?, destination: String?, comment: String?,
        grew: UInt64?
    ) {
        self.table = table
        self.chain = chain
        self.rule = rule
        self.target = target
        self.destination = destination
        self.comment = comment
        self.grew = grew
    }
}
