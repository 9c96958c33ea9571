import ScenarioReading

/// What a fault needs of the lab and of its other parameters; the descriptors tell each parameter's own form.
extension ScenarioReader {
    mutating func checkParameters(_ call: FaultCall, _ value: YAMLValue) {
        switch call.kind {
        case "security-group-rule": checkSecurityGroupRule(call, value)
        case "netem": checkNetem(call, value)
        default: break
        }
    }

    // MARK: security-group-rule

    private mutating func checkSecurityGroupRule(_ call: FaultCall, _ value: YAMLValue) {
        guard let profile, let groupName = call.text("group") else { return }
        let groups = profile.securityGroups.map(\.name)
        guard let group = profile.securityGroups.first(where: { $0.name == groupName }) else {
            checker.report(
                (value["group"] ?? value).place, "no security group \"\(groupName)\" in lab \(profile.name)",
                expected: Self.list(groups), suggestion: NearestName.of(groupName, among: groups))
            return
        }
        switch call.text("action") {
        case "remove": checkRemovedRule(call, value, group)
        case "add": checkAddedRule(call, value, group, groups: groups)
        default: break
        }
    }

    private mutating func checkRemovedRule(
        _ call: FaultCall, _ value: YAMLValue, _ group: LabProfile.SecurityGroup
    ) {
        let names = group.rules.map(\.name)
        guard let rule = call.text("rule") else {
            checker.report(value.place, "action remove needs \"rule\"", expected: Self.list(names))
            return
        }
        if !names.contains(rule) {
            checker.report(
                (value["rule"] ?? value).place, "no rule \"\(rule)\" in security group \(group.name)",
                expected: Self.list(names), suggestion: NearestName.of(rule, among: names))
        }
    }

    private mutating func checkAddedRule(
        _ call: FaultCall, _ value: YAMLValue, _ group: LabProfile.SecurityGroup, groups: [String]
    ) {
        let rule = call.text("rule") ?? call.id
        if group.rules.contains(where: { $0.name == rule }) {
            checker.report(
                (value["rule"] ?? value["id"] ?? value).place,
                "security group \(group.name) has a rule \"\(rule)\" already; give another name")
        }
        let transport = call.text("protocol") ?? "all"
        if case .ports? = call.parameters["ports"], ["icmp", "all"].contains(transport) {
            checker.report(
                (value["ports"] ?? value).place, "protocol \(transport) has no ports", expected: "protocol tcp or udp")
        }
        let names = groups + ["self", "any"]
        if let peer = call.text("peer"), !names.contains(peer), IPv4Network(peer) == nil {
            checker.report(
                (value["peer"] ?? value).place, "unknown peer \"\(peer)\"",
                expected: "self, any, a group's name or a network", suggestion: NearestName.of(peer, among: names))
        }
    }

    // MARK: netem

    private mutating func checkNetem(_ call: FaultCall, _ value: YAMLValue) {
        if let interface = call.text("interface"), !FaultClaims.interfaces.contains(interface) {
            checker.report(
                (value["interface"] ?? value).place, "nodes have no interface \"\(interface)\" that a file can name",
                expected: Self.list(FaultClaims.interfaces),
                suggestion: NearestName.of(interface, among: FaultClaims.interfaces))
        }
        /// Given and more than nothing; what is not readable is reported by its shape.
        func acts(_ name: String) -> Bool {
            switch call.parameters[name] {
            case .duration(let amount)?, .number(let amount)?: amount > 0
            case nil: value[name] != nil
            default: true
            }
        }
        if !["delay", "jitter", "loss", "corrupt", "duplicate", "reorder"].contains(where: acts) {
            checker.report(
                value.place, "netem without delay, loss, corrupt, duplicate or reorder does nothing",
                expected: "one of them above 0")
        }
        for name in ["jitter", "reorder"] where acts(name) && !acts("delay") {
            checker.report((value[name] ?? value).place, "\(name) needs a delay", expected: "\"delay\" above 0")
        }
    }
}
