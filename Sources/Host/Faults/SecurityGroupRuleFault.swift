import Fabric
import Lab
import NetAddress
import Scenario
import ScenarioReading
import Shapes

/// Removes a rule of a security group, or adds one, at the interfaces of all nodes or of some.
struct SecurityGroupRuleFault: Fault {
    private enum Action: String, CaseIterable { case remove, add }
    private enum Transport: String, CaseIterable { case tcp, udp, icmp, all }
    private enum Direction: String, CaseIterable { case ingress, egress }

    private static let action = FaultParameter<Action>.choice(
        "action", required: true, help: "what is done to the rule")
    private static let group = FaultParameter.text("group", required: true, help: "security group")
    private static let rule = FaultParameter.text("rule", help: "name of the rule; required to remove one")
    private static let transport = FaultParameter<Transport>.choice("protocol", help: "of an added rule")
    private static let ports = FaultParameter.ports("ports", help: "of an added rule; all when not given")
    private static let direction = FaultParameter<Direction>.choice(
        "direction", help: "of an added rule, ingress when not given")
    private static let peer = FaultParameter.text(
        "peer", help: "of an added rule: self, any, a group or a CIDR; self when not given")

    static let descriptor = FaultDescriptor(
        kind: "security-group-rule", summary: "{action} rule {rule} of security group {group} for {nodes}",
        parameters: [
            action, group, rule, transport, ports, direction, peer,
            FaultParameter.nodes(help: "on whose interfaces; all when not given"),
        ],
        check: { checkGroup(&$0) },
        claims: { call, nodes in
            call.claims(.rule(group: call[group] ?? "", name: call[rule] ?? call.id), among: nodes)
        })

    /// The rules of a lab's file have such names, too.
    private static let ruleName = TextRule.label(upTo: LabProfile.longestFabricName)

    private static func checkGroup(_ check: inout FaultCheck) {
        guard let profile = check.profile, let name = check.call[group] else { return }
        let groups = profile.securityGroups.map(\.name)
        guard let found = profile.securityGroups.first(where: { $0.name == name }) else {
            check.report(
                at: group.name, message: "no security group \"\(name)\" in lab \(profile.name)",
                expected: FaultCheck.oneOf(groups), suggestion: NearestName.of(name, among: groups))
            return
        }
        switch check.call[action] {
        case .remove?: checkRemovedRule(&check, found)
        case .add?: checkAddedRule(&check, found, groups: groups)
        case nil: break
        }
    }

    private static func checkRemovedRule(_ check: inout FaultCheck, _ group: LabProfile.SecurityGroup) {
        let names = group.rules.map(\.name)
        guard let name = check.call[rule] else {
            check.report(message: "action remove needs \"rule\"", expected: FaultCheck.oneOf(names))
            return
        }
        // A parameter that cannot be read is reported for its form.
        let added: [any FaultParameterDeclaration] = [transport, ports, direction, peer]
        for parameter in added where check.isGiven(parameter) {
            check.report(
                at: parameter.name, message: "\(parameter.name) is a parameter of an added rule, not of a removed one",
                expected: "\"rule\" alone, which names the rule")
        }
        if !names.contains(name) {
            check.report(
                at: rule.name, message: "no rule \"\(name)\" in security group \(group.name)",
                expected: FaultCheck.oneOf(names), suggestion: NearestName.of(name, among: names))
        }
    }

    private static func checkAddedRule(
        _ check: inout FaultCheck, _ group: LabProfile.SecurityGroup, groups: [String]
    ) {
        let name = check.call[rule] ?? check.call.id
        if group.rules.contains(where: { $0.name == name }) {
            check.report(
                at: rule.name, "id",
                message: "security group \(group.name) has a rule \"\(name)\" already; give another name")
        }
        if !Self.ruleName.accepts(name) {
            check.report(
                at: rule.name, "id", message: "\"\(name)\" cannot name a rule", expected: Self.ruleName.expected)
        }
        let transport = check.call[Self.transport] ?? .all
        if check.call[ports] != nil, [.icmp, .all].contains(transport) {
            check.report(
                at: ports.name, message: "protocol \(transport.rawValue) has no ports", expected: "protocol tcp or udp")
        }
        let names = groups + ["self", "any"]
        if let name = check.call[peer], !names.contains(name), IPv4CIDR(network: name) == nil {
            check.report(
                at: peer.name, message: "unknown peer \"\(name)\"",
                expected: "self, any, a group's name or a network", suggestion: NearestName.of(name, among: names))
        }
    }

    private let call: FaultCall
    private let cluster: Cluster
    private let group: String
    private let removes: Bool
    private let rule: SecurityGroupRule
    private let selection: NodeSelection
    private let nodes: [String]

    init(_ call: FaultCall, in cluster: Cluster) throws {
        self.call = call
        self.cluster = cluster
        let group = call[Self.group] ?? ""
        self.group = group
        removes = call[Self.action] == .remove
        nodes = try call.nodes(in: cluster).map(\.name)
        selection = nodes.count == cluster.presentNodes.count ? .all : .only(Set(nodes))
        let name = call[Self.rule] ?? call.id
        if removes {
            let known = cluster.plan.profile.securityGroups.first { $0.name == group }?.rules ?? []
            guard let found = known.first(where: { $0.name == name }) else {
                throw FaultError(call, "the lab has no rule \(group)/\(name)")
            }
            rule = try cluster.plan.fabricRule(found, group: group)
        } else {
            var added = try cluster.plan.fabricRule(
                LabProfile.Rule(
                    name: name, direction: (call[Self.direction] ?? .ingress).rawValue,
                    protocol: (call[Self.transport] ?? .all).rawValue, ports: call[Self.ports],
                    peer: call[Self.peer] ?? "self"),
                group: group)
            added.nodes = selection
            rule = added
        }
    }

    var targets: [String] { nodes.map { "\(group)/\(rule.name) at \($0)" } }

    func inject() async throws {
        guard try await !proof(that: removes ? .absent : .inForce).holds else {
            throw FaultError(call, "rule \(group)/\(rule.name) is \(removes ? "gone" : "there") already")
        }
        if removes {
            try await cluster.fabric.removeRule(group: group, rule: rule.name, nodes: selection)
        } else {
            try await cluster.fabric.addRule(rule, to: group)
        }
    }

    func effect() async throws -> Proof {
        try await proof(that: removes ? .absent : .inForce, mustCarryGroup: true)
    }

    func heal() async throws {
        if removes {
            var restored = rule
            restored.nodes = selection
            try await cluster.fabric.addRule(restored, to: group)
        } else {
            try await cluster.fabric.removeRule(group: group, rule: rule.name, nodes: selection)
        }
    }

    func gone() async throws -> Proof { try await proof(that: removes ? .inForce : .absent) }

    /// Compares the rule in the kernel with what is wanted, on every interface of the nodes that carries its group. A
    /// rule of its name with another direction, peer, protocol or ports is neither in force nor absent.
    ///
    /// - Parameter mustCarryGroup: a node that carries the group nowhere proves nothing, though it lacks the rule too.
    private func proof(that wanted: RuleStanding.State, mustCarryGroup: Bool = false) async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let standings = try await cluster.fabric.standing(of: rule, group: group, node: node)
            holds = holds && Self.holds(standings, wanted, mustCarryGroup: mustCarryGroup)
            lines.append(
                standings.isEmpty
                    ? "no interface of \(node) carries security group \(group)"
                    : "nftables \(Self.words(standings)) rule \(group)/\(rule.name) for the interface of \(node)")
        }
        return Proof(holds, lines)
    }

    /// Whether the rule stands as wanted on all of a node's interfaces that carry the group; there may be none.
    static func holds(_ standings: [RuleStanding], _ wanted: RuleStanding.State, mustCarryGroup: Bool) -> Bool {
        if standings.isEmpty { return wanted == .absent && !mustCarryGroup }
        return standings.allSatisfy { $0.state == wanted }
    }

    /// `has`, for a report. What differs is told before what lacks.
    private static func words(_ standings: [RuleStanding]) -> String {
        let states = Set(standings.map(\.state))
        if states.contains(.different) { return "has another" }
        if states == [.inForce] { return "has" }
        return states.contains(.inForce) ? "has not everywhere the" : "has no"
    }
}
