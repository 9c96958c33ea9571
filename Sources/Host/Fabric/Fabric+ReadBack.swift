public import LinuxKernel

extension Fabric {
    /// The rules in force on each interface, read back from the kernel.
    public func ruleState() throws -> [RuleState] {
        let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
        return ruleState(listing)
    }

    /// How a rule stands on each interface of a node that carries its group, read back from the kernel and sorted by
    /// interface.
    public func standing(of rule: SecurityGroupRule, group: String, node: String) throws -> [RuleStanding] {
        let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
        let carriers = interfaces.values.filter { $0.nic.node == node && $0.nic.groups.contains(group) }
        return carriers.sorted { $0.nic.interfaceID < $1.nic.interfaceID }.map { interface in
            let chains = SecurityGroupRule.Direction.allCases.map { Ruleset.chain(interface.mark, $0) }
            let named = listing.rules.filter {
                chains.contains($0.chain) && $0.comment == Ruleset.ruleName(group, rule.name)
            }
            let state: RuleStanding.State =
                if named.isEmpty {
                    .absent
                } else if named.count == 1, named[0].chain == Ruleset.chain(interface.mark, rule.direction),
                    named[0].match == Ruleset.match(rule)
                {
                    .inForce
                } else {
                    .different
                }
            return RuleStanding(interfaceID: interface.nic.interfaceID, state: state)
        }
    }

    /// The security groups as they are in force on a node's interfaces: the declared rules that the kernel really has.
    public func effectiveGroups(node: String) throws -> [SecurityGroup] {
        let inForce = Set(try ruleState().filter { $0.node == node }.map { Ruleset.ruleName($0.group, $0.rule) })
        let carried = Set(interfaces.values.filter { $0.nic.node == node }.flatMap(\.nic.groups))
        return carried.sorted().compactMap { groups[$0] }.map { group in
            SecurityGroup(
                name: group.name,
                rules: group.rules.filter { inForce.contains(Ruleset.ruleName(group.name, $0.name)) })
        }
    }

    /// Everything that a fault could have left behind, read back from the kernel.
    public func snapshot() throws -> FabricSnapshot {
        var snapshot = FabricSnapshot(rules: [], sets: [:], interfaces: [])
        for family in ["bridge", "ip"] {
            let listing = try NftablesListing(json: nftables.list("table \(family) \(Ruleset.table)"))
            snapshot.add(listing, family: family)
        }
        if let router {
            snapshot.add(try router.listing(), family: VPCRouter.place)
            (snapshot.routes, snapshot.neighbours) = try router.state()
        }
        snapshot.rules.sort()
        let links = try netlink.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first }
        let own = Set(spec.subnets.map(\.bridge)).union(interfaces.values.map(\.nic.tap)).union(ports.map(\.tap))
        snapshot.interfaces = links.filter { own.contains($0.name) }.map { link in
            FabricSnapshot.Interface(
                name: link.name, kind: link.kind, bridge: link.master.flatMap { names[$0] }, isUp: link.isUp,
                mtu: link.mtu)
        }.sorted { $0.name < $1.name }
        return snapshot
    }

    public func counters() async throws -> FabricCounters {
        let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
        let bridge = try NftablesListing(json: nftables.list("table bridge \(Ruleset.table)"))
        let chains = interfacesByChain()
        let denied = denials(listing, chains)
        let checks = bridge.rules.filter { !$0.comment.isEmpty }.map { ($0.comment, $0.packets) }
        let rules = ruleState(listing)
        let lostRejects = await observation.lostRejects(denied: denied.map(\.packets).reduce(detachedDenials, +))
        return FabricCounters(
            rules: rules,
            denied: denied.sorted {
                ($0.interfaceID, $0.direction.rawValue) < ($1.interfaceID, $1.direction.rawValue)
            },
            checkDrops: Dictionary(checks, uniquingKeysWith: +), captures: await observation.captureStatistics(),
            lostRejects: lostRejects, discards: try discardCounters(), failures: observation.failures)
    }

    /// What failed while traffic was observed, a sentence each. The flow log is finished when the fabric stops, so that
    /// only what is read after `stop` is complete.
    public func observationFailures() -> [String] { observation.failures }

    /// Flow log records of exactly the packets since a moment, one record for each flow and action.
    ///
    /// The answer is complete only if the log has a record of every packet that, by the rules' counters, was denied.
    public func flowRecords(since: MonotonicTime? = nil) async -> FlowRecordPage {
        // After observation has ended, packets that the rules deny are not missing from its memory, so counters are not
        // compared.
        guard !isStopped else { return await observation.flowRecords(since: since) }
        let denied = try? deniedPackets()
        if let denied { _ = await observation.lostRejects(denied: denied) }
        var page = await observation.flowRecords(since: since)
        if denied == nil { page.isComplete = false }
        return page
    }

    /// The number of packets that the rules have denied so far, by their counters.
    private func deniedPackets() throws -> UInt64 {
        let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
        return denials(listing, interfacesByChain()).map(\.packets).reduce(detachedDenials, +)
    }

    func denials(
        _ listing: NftablesListing, _ chains: [String: (NICSpec, SecurityGroupRule.Direction)]
    ) -> [FabricCounters.Denied] {
        listing.rules.filter { $0.comment == "deny" }.compactMap { rule in
            chains[rule.chain].map { nic, direction in
                FabricCounters.Denied(
                    interfaceID: nic.interfaceID, node: nic.node, direction: direction, packets: rule.packets,
                    bytes: rule.bytes)
            }
        }
    }

    private func ruleState(_ listing: NftablesListing) -> [RuleState] {
        let chains = interfacesByChain()
        return listing.rules.compactMap { rule -> RuleState? in
            let name = rule.comment.split(separator: "/")
            guard let (nic, direction) = chains[rule.chain], name.count == 2 else { return nil }
            return RuleState(
                interfaceID: nic.interfaceID, node: nic.node, group: String(name[0]), rule: String(name[1]),
                direction: direction, packets: rule.packets, bytes: rule.bytes)
        }.sorted { ($0.interfaceID, $0.group, $0.rule) < ($1.interfaceID, $1.group, $1.rule) }
    }

    func interfacesByChain() -> [String: (NICSpec, SecurityGroupRule.Direction)] {
        var chains: [String: (NICSpec, SecurityGroupRule.Direction)] = [:]
        for interface in interfaces.values {
            for direction in SecurityGroupRule.Direction.allCases {
                chains[Ruleset.chain(interface.mark, direction)] = (interface.nic, direction)
            }
        }
        return chains
    }
}

// What was observed is in memory, so these calls need not wait until a change of the fabric is done.
extension Fabric {
    /// Packets that were seen on the taps since a moment, oldest first. Every packet that a tap had seen by the time of
    /// the call is among them.
    public nonisolated func sightings(
        since: MonotonicTime? = nil, matching filter: FlowFilter = FlowFilter()
    ) async -> SightingPage {
        await observation.sightings(since: since, matching: filter)
    }

}

extension FabricSnapshot {
    fileprivate mutating func add(_ listing: NftablesListing, family: String) {
        rules += listing.rules.map {
            Rule(family: family, chain: $0.chain, name: $0.comment, expression: $0.expression)
        }
        for (name, elements) in listing.elements { sets["\(family) \(name)"] = elements }
    }
}
