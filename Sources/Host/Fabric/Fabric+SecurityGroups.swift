extension Fabric {
    /// Takes a rule out of force, for some nodes or for all, in one transaction.
    ///
    /// - Returns: The rule, with the nodes on which it is no longer in force. To give it to `addRule` restores the
    ///   former state.
    /// - Throws: `FabricError` with code `unknown` when there is no such rule, or it is in force on none of the nodes.
    @discardableResult
    public func removeRule(
        group name: String, rule ruleName: String, nodes: NodeSelection = .all
    ) throws -> SecurityGroupRule {
        var group = try group(named: name)
        guard let index = group.rules.firstIndex(where: { $0.name == ruleName }) else {
            let names = group.rules.map(\.name).sorted().joined(separator: ", ")
            throw FabricError(.unknown, "security group \(name) has no rule \(ruleName); it has: \(names)")
        }
        let before = group.rules[index]
        let after = before.nodes.subtracting(nodes)
        guard after != before.nodes else {
            throw FabricError(.unknown, "rule \(name)/\(ruleName) is in force on none of these nodes")
        }
        var removed = before
        removed.nodes = before.nodes.subtracting(after)
        if after.isEmpty {
            group.rules.remove(at: index)
        } else {
            group.rules[index].nodes = after
        }
        try enforce(group)
        return removed
    }

    /// Puts a rule in force in one transaction. Where the group has the rule already, on other nodes, it is extended.
    ///
    /// - Throws: `FabricError` with code `exists` when the group has another rule of that name.
    public func addRule(_ rule: SecurityGroupRule, to name: String) throws {
        var group = try group(named: name)
        try rule.validate(group: name, known: Set(groups.keys))
        if let index = group.rules.firstIndex(where: { $0.name == rule.name }) {
            var extended = group.rules[index]
            extended.nodes = rule.nodes
            guard extended == rule else {
                throw FabricError(.exists, "security group \(name) has another rule named \(rule.name)")
            }
            group.rules[index].nodes = group.rules[index].nodes.union(rule.nodes)
        } else {
            group.rules.append(rule)
        }
        try enforce(group)
    }

    /// The group as it is declared now.
    public func group(named name: String) throws -> SecurityGroup {
        guard let group = groups[name] else {
            let names = groups.keys.sorted().joined(separator: ", ")
            throw FabricError(.unknown, "no security group named \(name); there are: \(names)")
        }
        return group
    }

    /// Brings every interface's chains to the group's new rules in one nftables transaction.
    private func enforce(_ group: SecurityGroup) throws {
        var after = groups
        after[group.name] = group
        var added: [ChainRule] = []
        var removed: Set<ChainRule> = []
        for interface in interfaces.values where interface.nic.groups.contains(group.name) {
            let old = Set(Ruleset.rules(of: interface.nic, mark: interface.mark, groups: groups))
            let new = Set(Ruleset.rules(of: interface.nic, mark: interface.mark, groups: after))
            added += new.subtracting(old)
            removed.formUnion(old.subtracting(new))
        }
        var commands: [String] = []
        if !removed.isEmpty {
            let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
            for rule in removed {
                guard let kernel = listing.rules.first(where: { $0.chain == rule.chain && $0.comment == rule.name })
                else { throw FabricError(.nftables, "rule \(rule.name) is not in the kernel's chain \(rule.chain)") }
                commands.append(Ruleset.delete(chain: rule.chain, handle: kernel.handle))
            }
        }
        commands += added.sorted { ($0.chain, $0.name) < ($1.chain, $1.name) }.map(Ruleset.insert)
        if !commands.isEmpty { try nftables.run(commands) }
        groups = after
    }
}
