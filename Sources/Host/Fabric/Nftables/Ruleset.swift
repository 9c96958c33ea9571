import NetAddress

/// Makes the nftables text of a fabric from typed values, without side effects.
///
/// Layout (family `bridge` sees ports, family `ip` sees connections; br_netfilter calls the second from the first):
/// - `bridge` prerouting checks sources and marks a packet with the number of the interface that it comes from; `ip`
///   prerouting, after conntrack, holds it against that interface's egress rules.
/// - `bridge` forward checks destinations and marks it with the number of the interface that it goes to; `ip` forward
///   holds it against that one's ingress rules.
/// - Every interface has a chain a direction with its groups' rules, and a last rule that counts, logs and drops.
struct Ruleset {
    static let table = "labrun"
    /// The priority of the bridge chains: before br_netfilter's hooks, which are at 0 (`NF_BR_PRI_BRNF`) and -1.
    static let bridgePriority = -10

    let logGroup: UInt16
    /// The bridges of the subnets. Each is a conntrack zone of its own, since a packet between two subnets passes two
    /// of them. In one zone a refusal (RST) would end the connection at the first bridge. At the second it would belong
    /// to none, the caller's security group would drop it, and a closed port would read as a timeout.
    var bridges: [String] = []
    /// Addresses that no security group filters: metadata and the VPC's resolver.
    var unfiltered: [IPv4Address] = []

    /// The tables, chains and sets that exist before the first interface.
    func base(groups: [String]) -> [String] {
        let table = Ruleset.table
        let priority = Ruleset.bridgePriority
        return [
            "add table bridge \(table)",
            "add set bridge \(table) sources { type ifname . ether_addr . ipv4_addr; }",
            "add set bridge \(table) destinations { type ifname . ipv4_addr; }",
            "add set bridge \(table) checked { type ifname; }",
            "add map bridge \(table) marks { type ifname : mark; }",
            "add chain bridge \(table) prerouting { type filter hook prerouting priority \(priority); policy accept; }",
            "add chain bridge \(table) forward { type filter hook forward priority \(priority); policy accept; }",
            "add rule bridge \(table) prerouting iifname @checked ether type != { ip, arp } counter drop"
                + " comment \"ethertype\"",
            "add rule bridge \(table) prerouting iifname @checked ether type ip"
                + " iifname . ether saddr . ip saddr != @sources counter drop comment \"source-check\"",
            "add rule bridge \(table) prerouting iifname @checked ether type arp"
                + " iifname . arp saddr ether . arp saddr ip != @sources counter drop comment \"arp-source-check\"",
            "add rule bridge \(table) prerouting meta mark set 0",
            "add rule bridge \(table) prerouting meta mark set iifname map @marks",
            "add rule bridge \(table) forward oifname @checked ether type ip"
                + " oifname . ip daddr != @destinations counter drop comment \"destination-check\"",
            "add rule bridge \(table) forward meta mark set 0",
            "add rule bridge \(table) forward meta mark set oifname map @marks",
            "add table ip \(table)",
            "add chain ip \(table) zones { type filter hook prerouting priority -300; policy accept; }",
        ]
            + bridges.enumerated().map { index, bridge in
                "add rule ip \(table) zones meta iifname \"\(bridge)\" ct zone set \(index + 1)"
            } + [
                "add map ip \(table) egress_chains { type mark : verdict; }",
                "add map ip \(table) ingress_chains { type mark : verdict; }",
                "add chain ip \(table) egress { type filter hook prerouting priority 0; policy accept; }",
                "add chain ip \(table) ingress { type filter hook forward priority 0; policy accept; }",
                "add rule ip \(table) egress meta mark 0 accept",
            ] + unfiltered.map { "add rule ip \(table) egress ip daddr \($0) counter accept comment \"cloud\"" } + [
                "add rule ip \(table) egress ct state established,related counter accept comment \"established\"",
                "add rule ip \(table) egress meta mark vmap @egress_chains",
                "add rule ip \(table) ingress meta mark 0 accept",
            ] + unfiltered.map { "add rule ip \(table) ingress ip saddr \($0) counter accept comment \"cloud\"" } + [
                "add rule ip \(table) ingress ct state established,related counter accept comment \"established\"",
                "add rule ip \(table) ingress meta mark vmap @ingress_chains",
            ] + groups.flatMap(group)
    }

    /// The set of a group's member addresses.
    func group(_ name: String) -> [String] {
        ["add set ip \(Ruleset.table) \(Ruleset.memberSet(name)) { type ipv4_addr; }"]
    }

    /// The chains and set elements of an interface, without the rules of its groups.
    func attach(_ nic: NICSpec, mark: UInt32) -> [String] {
        let table = Ruleset.table
        var commands: [String] = []
        for direction in SecurityGroupRule.Direction.allCases {
            let chain = Ruleset.chain(mark, direction)
            commands += [
                "add chain ip \(table) \(chain)",
                "add rule ip \(table) \(chain) counter log prefix \"\(nic.interfaceID) \(direction.rawValue)\""
                    + " group \(logGroup) snaplen 128 queue-threshold 1 drop comment \"deny\"",
                "add element ip \(table) \(direction.rawValue)_chains { \(mark) : goto \(chain) }",
            ]
        }
        return commands + elements("add", nic, mark: mark)
    }

    func detach(_ nic: NICSpec, mark: UInt32) -> [String] {
        let table = Ruleset.table
        return elements("delete", nic, mark: mark)
            + SecurityGroupRule.Direction.allCases.flatMap { direction in
                let chain = Ruleset.chain(mark, direction)
                return [
                    "delete element ip \(table) \(direction.rawValue)_chains { \(mark) : goto \(chain) }",
                    "flush chain ip \(table) \(chain)",
                    "delete chain ip \(table) \(chain)",
                ]
            }
    }

    private func elements(_ verb: String, _ nic: NICSpec, mark: UInt32) -> [String] {
        let table = Ruleset.table
        return ["\(verb) element bridge \(table) marks { \"\(nic.tap)\" : \(mark) }"]
            + addresses(verb, nic.addresses, of: nic)
            + (nic.sourceDestinationCheck ? ["\(verb) element bridge \(table) checked { \"\(nic.tap)\" }"] : [])
    }

    /// Adds addresses to an interface, or removes them: in its checks, and as members of its groups.
    func addresses(_ verb: String, _ addresses: [IPv4Address], of nic: NICSpec) -> [String] {
        guard !addresses.isEmpty else { return [] }
        let table = Ruleset.table
        func list(_ element: (IPv4Address) -> String) -> String { addresses.map(element).joined(separator: ", ") }
        return [
            "\(verb) element bridge \(table) sources { \(list { "\"\(nic.tap)\" . \(nic.mac) . \($0)" }) }",
            "\(verb) element bridge \(table) destinations { \(list { "\"\(nic.tap)\" . \($0)" }) }",
        ] + members(verb, addresses, of: nic.groups)
    }

    /// Adds addresses to groups, or removes them.
    func members(_ verb: String, _ addresses: [IPv4Address], of groups: [String]) -> [String] {
        let list = addresses.map(\.description).joined(separator: ", ")
        return groups.map { "\(verb) element ip \(Ruleset.table) \(Ruleset.memberSet($0)) { \(list) }" }
    }

    /// The rules in force on an interface, keyed by chain and name.
    static func rules(of nic: NICSpec, mark: UInt32, groups: [String: SecurityGroup]) -> [ChainRule] {
        nic.groups.compactMap { groups[$0] }.flatMap { group in
            group.rules.filter { $0.nodes.contains(nic.node) }.map { rule in
                ChainRule(
                    chain: chain(mark, rule.direction), name: ruleName(group.name, rule.name), match: match(rule))
            }
        }
    }

    /// The command that inserts a rule before the chain's last rule, which denies.
    static func insert(_ rule: ChainRule) -> String {
        "insert rule ip \(table) \(rule.chain) \(rule.match)counter accept comment \"\(rule.name)\""
    }

    static func delete(chain: String, handle: Int) -> String {
        "delete rule ip \(table) \(chain) handle \(handle)"
    }

    static func ruleName(_ group: String, _ rule: String) -> String { "\(group)/\(rule)" }
    static func memberSet(_ group: String) -> String { "members-\(group)" }
    static func chain(_ mark: UInt32, _ direction: SecurityGroupRule.Direction) -> String {
        "nic\(mark)-\(direction.rawValue)"
    }

    /// The rule's match as text: empty, or with a space at its end.
    static func match(_ rule: SecurityGroupRule) -> String {
        let side = rule.direction == .ingress ? "saddr" : "daddr"
        var words = ""
        switch rule.peer {
        case .any: break
        case .cidr(let cidr): words += cidr.prefixLength == 0 ? "" : "ip \(side) \(cidr.network) "
        case .group(let name): words += "ip \(side) @\(memberSet(name)) "
        }
        switch (rule.protocol, rule.ports) {
        case (.all, _): break
        case (.icmp, _): words += "meta l4proto icmp "
        case (_, nil): words += "meta l4proto \(rule.protocol.rawValue) "
        case (_, let ports?):
            let (low, high) = (ports.lowerBound, ports.upperBound)
            words += "\(rule.protocol.rawValue) dport \(low == high ? "\(low)" : "\(low)-\(high)") "
        }
        return words
    }
}

/// A rule as it stands in the chain of an interface.
struct ChainRule: Hashable {
    let chain: String
    /// `GROUP/RULE`
    let name: String
    let match: String
}
