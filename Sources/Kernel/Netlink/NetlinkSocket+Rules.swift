import CLibnl
public import LinuxKernel
public import NetAddress

/// A rule of IPv4 policy routing (ip-rule(8)) that selects a table.
public struct RoutingRule: Sendable, Hashable {
    /// Rules with a lower priority come first.
    public var priority: UInt32
    /// Selects packets with this mark; nil selects any.
    public var mark: Mark?
    /// Selects packets from these addresses; nil selects any.
    public var source: IPv4CIDR?
    /// Selects packets to these addresses; nil selects any.
    public var destination: IPv4CIDR?
    public var table: UInt32
    /// Who made the rule, as for routes. It is 0 if that is not known.
    public var origin: UInt8

    public struct Mark: Sendable, Hashable {
        public var value: UInt32
        public var mask: UInt32
        public init(_ value: UInt32, mask: UInt32) {
            self.value = value
            self.mask = mask
        }
    }

    public init(
        priority: UInt32, mark: Mark? = nil, source: IPv4CIDR? = nil, destination: IPv4CIDR? = nil, table: UInt32,
        origin: UInt8 = 0
    ) {
        self.priority = priority
        self.mark = mark
        self.source = source?.network
        self.destination = destination?.network
        self.table = table
        self.origin = origin
    }
}

extension NetlinkSocket {
    /// Returns all IPv4 rules that select a table.
    public func rules() throws(SystemError) -> [RoutingRule] {
        try dump("rtnl_rule_alloc_cache", { rtnl_rule_alloc_cache(handle, AF_INET, $0) }) { entry in
            guard rtnl_rule_get_action(entry) == UInt8(FR_ACT_TO_TBL) else { return nil }
            let mark = rtnl_rule_get_mark(entry)
            var origin: UInt8 = 0
            if rtnl_rule_get_protocol(entry, &origin) != 0 { origin = 0 }
            return RoutingRule(
                priority: rtnl_rule_get_prio(entry),
                mark: mark == 0 ? nil : RoutingRule.Mark(mark, mask: rtnl_rule_get_mask(entry)),
                source: ipv4CIDR(rtnl_rule_get_src(entry)), destination: ipv4CIDR(rtnl_rule_get_dst(entry)),
                table: rtnl_rule_get_table(entry), origin: origin)
        }
    }

    /// Throws `EEXIST` when there is such a rule.
    public func addRule(_ rule: RoutingRule) throws(SystemError) {
        let entry = try ruleObject(rule)
        let pointer = entry.pointer
        try request("rtnl_rule_add", "\(rule.priority)") { rtnl_rule_add(handle, pointer, NLM_F_CREATE | NLM_F_EXCL) }
    }

    /// Throws `ENOENT` when there is no such rule.
    public func deleteRule(_ rule: RoutingRule) throws(SystemError) {
        let entry = try ruleObject(rule)
        let pointer = entry.pointer
        try request("rtnl_rule_delete", "\(rule.priority)") { rtnl_rule_delete(handle, pointer, 0) }
    }

    /// Makes a table treat every IPv4 address as the node's own (`local default dev lo table N`).
    public func replaceLocalDefault(table: UInt32, linkIndex: Int32) throws(SystemError) {
        let entry = try NetlinkObject("rtnl_route_alloc", rtnl_route_alloc())
        let pointer = entry.pointer
        guard let everything = IPv4CIDR("0.0.0.0/0") else { throw SystemError(code: EINVAL, call: "0.0.0.0/0") }
        let destination = try NetlinkAddress(everything)
        rtnl_route_set_family(pointer, UInt8(AF_INET))
        rtnl_route_set_table(pointer, table)
        rtnl_route_set_type(pointer, UInt8(RTN_LOCAL))
        rtnl_route_set_scope(pointer, UInt8(RT_SCOPE_HOST.rawValue))
        try request("rtnl_route_set_dst", "\(everything)") { rtnl_route_set_dst(pointer, destination.pointer) }
        guard let hop = rtnl_route_nh_alloc() else { throw SystemError(code: ENOMEM, call: "rtnl_route_nh_alloc") }
        // From here on the route owns the next hop.
        rtnl_route_add_nexthop(pointer, hop)
        rtnl_route_nh_set_ifindex(hop, linkIndex)
        try request("rtnl_route_add", "local default, table \(table)") {
            rtnl_route_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }

    private func ruleObject(_ rule: RoutingRule) throws(SystemError) -> NetlinkObject {
        let entry = try NetlinkObject("rtnl_rule_alloc", rtnl_rule_alloc())
        let pointer = entry.pointer
        rtnl_rule_set_family(pointer, AF_INET)
        rtnl_rule_set_prio(pointer, rule.priority)
        rtnl_rule_set_action(pointer, UInt8(FR_ACT_TO_TBL))
        rtnl_rule_set_table(pointer, rule.table)
        if rule.origin != 0 {
            try request("rtnl_rule_set_protocol", "\(rule.origin)") { rtnl_rule_set_protocol(pointer, rule.origin) }
        }
        if let destination = rule.destination {
            let address = try NetlinkAddress(destination)
            try request("rtnl_rule_set_dst", "\(destination)") { rtnl_rule_set_dst(pointer, address.pointer) }
        }
        if let mark = rule.mark {
            rtnl_rule_set_mark(pointer, mark.value)
            rtnl_rule_set_mask(pointer, mark.mask)
        }
        if let source = rule.source {
            let address = try NetlinkAddress(source)
            try request("rtnl_rule_set_src", "\(source)") { rtnl_rule_set_src(pointer, address.pointer) }
        }
        return entry
    }
}
